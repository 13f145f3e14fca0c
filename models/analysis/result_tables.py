"""What an analysis of a text found, as measures and tables for both front ends. Torch-free."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from data.text_table import TextTable

if TYPE_CHECKING:
    from models.analysis.analyze import TextAnalysis
    from models.analysis.likelihood import Likelihood
    from models.analysis.quality import Quality

_MEANINGS = {
    "character_coherence": "neighbouring letters; blind to words that do not exist",
    "word_formation": "known words; blind to their order, and to good words that are new",
    "sentence_structure": "order of words; blind to what they say",
    "semantic_meaning": "words that belong together; blind to facts and logic",
    "token_diversity": "variety; blind to noise, which is varied too",
}
"""What each score sees, and what it cannot see."""
_QUOTED = 100  # characters
Row = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure between two ends."""

    name: str
    share: float
    """Where it is between the ends, from 0 to 1."""
    text: str
    """The figure."""
    meaning: str


def scores(quality: "Quality") -> list[Measure]:
    """The five scores and the overall one."""
    found = [(one.name.replace("_", " "), one.value, _MEANINGS[one.name]) for one in quality.scores]
    found.append(("overall", quality.overall, "mean of the first four, times the diversity"))
    return [Measure(name, value / 100, f"{value:.0f}", meaning) for name, value, meaning in found]


def score_table(quality: "Quality") -> TextTable:
    """A row for each score."""
    rows = [(one.name, one.text, one.meaning) for one in scores(quality)]
    return TextTable(("score", "0–100", "it sees"), rows, right=("0–100",), optional=("it sees",))


def shares(found: "TextAnalysis", held_out: "TextAnalysis | None" = None) -> list[Measure]:
    """What is near the text it learned, what was copied from there, and what repeats at once."""
    measures = []
    if found.quality is not None:
        cosine = found.quality.trigram_cosine
        beside = ""
        if held_out is not None and held_out.quality is not None:
            beside = f"held-out text: {held_out.quality.trigram_cosine:.3f}"
        measures.append(Measure("trigram cosine", cosine, f"{cosine:.3f}", beside))
    if found.memorisation is not None:
        copied = found.memorisation
        verdict = "it memorises" if copied.memorises else "no sign of memorising"
        words = (
            f"of its spans are in the training text, {copied.heldout_share:.1%} of held-out text: {verdict}"
        )
        measures.append(Measure("copied", copied.copied_share, f"{copied.copied_share:.1%}", words))
    loops = found.repetition.looping_share
    measures.append(Measure("in loops", loops, f"{loops:.1%}", "passages three times or more in a row"))
    return measures


def repetition_rows(found: "TextAnalysis", held_out: "TextAnalysis | None" = None) -> list[Row]:
    """What repeats in the text, beside what `held_out` has."""

    def beside(ours: str, theirs: str) -> str:
        return ours if held_out is None else f"{ours}   (held-out text: {theirs})"

    other = held_out or found
    distinct = [" ".join(f"{share:.2f}" for share in one.repetition.distinct) for one in (found, other)]
    compressed = [f"{one.repetition.compression:.0%}" for one in (found, other)]
    return [
        ("distinct words, pairs, triples", beside(*distinct)),
        ("compressed to", beside(*compressed)),
        ("longest repeat", _quoted(found.repetition.longest_repeat)),
    ]


def copy_rows(found: "TextAnalysis") -> list[Row]:
    """The longest passages that were copied."""
    longest = () if found.memorisation is None else found.memorisation.longest
    return [("longest copies" if not number else "", _quoted(text)) for number, text in enumerate(longest)]


def likelihood_table(by_mode: "Mapping[str, Likelihood]") -> TextTable:
    """A row for each mode."""
    numbers = ("bits per byte", "95 % interval", "nats per token", "passes")
    rows = [
        (
            mode if one.trained else f"{mode} (beyond training)",
            f"{one.bits_per_byte:.3f}",
            "" if one.interval is None else f"± {one.interval:.3f}",
            f"{one.loss:.4f}",
            str(one.passes),
        )
        for mode, one in by_mode.items()
    ]
    return TextTable(("mode", *numbers), rows, right=numbers, optional=("passes", "nats per token"))


def _quoted(text: str) -> str:
    shown = re.sub(r"\s+", " ", text)
    if not shown:
        return "none"
    return f"'{shown[:_QUOTED]}{' …' if len(shown) > _QUOTED else ''}' ({len(shown)} characters)"
