"""Make arithmetic.jsonl: word problems with worked answers, each computed and then checked another way.

python sample_corpora/make_arithmetic.py [--out FILE]
"""

import argparse
import json
from pathlib import Path

from choosing import Chooser
from word_problems import amounts, measures
from word_problems.problem import Problem

SEED = 1729
COUNT = 5520
PROBLEMS = (*amounts.PROBLEMS, *measures.PROBLEMS)
OUT = Path(__file__).with_name("arithmetic.jsonl")


def problems(seed: int = SEED, count: int = COUNT) -> list[Problem]:
    """Distinct problems, every kind as often as the others, in random order."""
    chooser = Chooser(seed)
    found: list[Problem] = []
    seen: set[str] = set()
    while len(found) < count:
        for kind in chooser.sample(PROBLEMS, len(PROBLEMS)):
            problem = kind(chooser)
            problem.verify()
            if problem.prompt not in seen and len(found) < count:
                seen.add(problem.prompt)
                found.append(problem)
    return found


def make() -> str:
    """The whole file as text: one {"prompt", "completion"} object a line."""
    rows = ({"prompt": problem.prompt, "completion": problem.completion} for problem in problems())
    return "".join(json.dumps(row) + "\n" for row in rows)


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description="Make the corpus of arithmetic word problems.")
    parser.add_argument("--out", type=Path, default=OUT, help="file to write (default: %(default)s)")
    parser.parse_args().out.write_text(make(), encoding="ascii", newline="\n")


if __name__ == "__main__":
    main()
