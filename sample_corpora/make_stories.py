"""Make stories.txt: about a megabyte of short tales in which people, places and things stay consistent.

python sample_corpora/make_stories.py [--out FILE]
"""

import argparse
from pathlib import Path

from choosing import Chooser
from story_grammar import plots_of_dealing, plots_of_journeys, plots_of_loss, plots_of_trial, plots_of_trust
from story_grammar.world import Story

SEED = 2011
TARGET_BYTES = 1_000_000
PLOTS = (
    *plots_of_loss.PLOTS,
    *plots_of_dealing.PLOTS,
    *plots_of_trust.PLOTS,
    *plots_of_trial.PLOTS,
    *plots_of_journeys.PLOTS,
)
OUT = Path(__file__).with_name("stories.txt")


def stories(seed: int = SEED, target_bytes: int = TARGET_BYTES) -> list[tuple[Story, str]]:
    """The stories and their texts, every plot as often as the others, until the size is reached."""
    chooser = Chooser(seed)
    found: list[tuple[Story, str]] = []
    titles: set[str] = set()
    size = 0
    while size < target_bytes:
        for plot in chooser.sample(PLOTS, len(PLOTS)):
            story = Story(chooser)
            plot(story)
            text = story.finish()
            if story.title in titles:
                continue
            titles.add(story.title)
            found.append((story, text))
            size += len(text) + 2
    return found


def make() -> str:
    """The whole file as text: stories with a blank line between them."""
    return "\n\n".join(text for _, text in stories()) + "\n"


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description="Make the corpus of generated stories.")
    parser.add_argument("--out", type=Path, default=OUT, help="file to write (default: %(default)s)")
    parser.parse_args().out.write_text(make(), encoding="ascii", newline="\n")


if __name__ == "__main__":
    main()
