"""What `rlm analyze` found, as tables on the terminal and as JSON."""

import dataclasses
import re
from typing import TYPE_CHECKING, Any

from rlm_cli.output import Output

if TYPE_CHECKING:
    from models.analysis.analyze import RunAnalysis, TextAnalysis
    from models.analysis.likelihood import Likelihood
    from models.analysis.quality import Quality

_EXCERPT = 240
_BLIND = {
    "character_coherence": "neighbouring letters; blind to words that do not exist",
    "word_formation": "known words; blind to their order, and to good words that are new",
    "sentence_structure": "order of words; blind to what they say",
    "semantic_meaning": "words that belong together; blind to facts and logic",
    "token_diversity": "variety; blind to noise, which is varied too",
}
"""What each score sees, and what it cannot see."""


def show_text_analysis(found: "TextAnalysis", output: Output, held_out: "TextAnalysis | None" = None) -> None:
    """Print the scores and the rest, beside what `held_out` has."""
    if found.quality is not None:
        _show_scores(found.quality, output)
        output.result()
    _show_details(found, output, held_out)


def show_run_analysis(found: "RunAnalysis", output: Output) -> None:
    """Print what was written at each mode, how good it is, and the likelihood."""
    if found.unscored is not None:
        output.warn(f"There are no scores. {found.unscored.message} {found.unscored.hint or ''}".rstrip())
    for number, (mode, written) in enumerate(found.by_mode.items()):
        if number:
            output.result()
        output.result(f"{len(written.text):,} characters written at mode {mode}:")
        output.result("  " + " ".join(written.text[:_EXCERPT].split()) + " …", style="dim")
        output.result()
        show_text_analysis(written.analysis, output, found.of_held_out)
    output.result()
    _show_likelihood(found.likelihood, output)


def _show_scores(quality: "Quality", output: Output) -> None:
    output.table(
        ("score", "0–100", "it sees"),
        [(score.name.replace("_", " "), f"{score.value:.0f}", _BLIND[score.name]) for score in quality.scores]
        + [("overall", f"{quality.overall:.0f}", "mean of the first four, times the diversity")],
        right=("0–100",),
        optional=("it sees",),
    )


def _show_details(found: "TextAnalysis", output: Output, held_out: "TextAnalysis | None" = None) -> None:
    def beside(ours: str, theirs: str) -> str:
        return ours if held_out is None else f"{ours}   (held-out text: {theirs})"

    other = held_out or found
    distinct = [" ".join(f"{share:.2f}" for share in one.repetition.distinct) for one in (found, other)]
    cosines = ["" if one.quality is None else f"{one.quality.trigram_cosine:.3f}" for one in (found, other)]
    rows = [
        *([("trigram cosine", beside(*cosines) if cosines[1] else cosines[0])] if cosines[0] else []),
        ("distinct words, pairs, triples", beside(*distinct)),
        (
            "compressed to",
            beside(f"{found.repetition.compression:.0%}", f"{other.repetition.compression:.0%}"),
        ),
        ("in loops", f"{found.repetition.looping_share:.1%}"),
        ("longest repeat", _quoted(found.repetition.longest_repeat)),
    ]
    if found.memorisation is not None:
        copied = found.memorisation
        verdict = "it memorises" if copied.memorises else "no sign of memorising"
        rows.append(
            (
                "copied",
                f"{copied.copied_share:.1%} of its spans are in the training text, "
                f"{copied.heldout_share:.1%} of held-out text: {verdict}",
            )
        )
        rows += [("longest copies" if not i else "", _quoted(text)) for i, text in enumerate(copied.longest)]
    output.pairs(rows)


def _show_likelihood(by_mode: "dict[str, Likelihood] | Any", output: Output) -> None:
    output.table(
        ("mode", "bits per byte", "95 % interval", "nats per token", "passes"),
        [
            (
                mode if one.trained else f"{mode} (beyond training)",
                f"{one.bits_per_byte:.3f}",
                "" if one.interval is None else f"± {one.interval:.3f}",
                f"{one.loss:.4f}",
                str(one.passes),
            )
            for mode, one in by_mode.items()
        ],
        right=("bits per byte", "95 % interval", "nats per token", "passes"),
        optional=("passes", "nats per token"),
    )


def _quoted(text: str) -> str:
    shown = re.sub(r"\s+", " ", text)
    return f"'{shown[:100]}{' …' if len(shown) > 100 else ''}' ({len(shown)} characters)" if shown else "none"


def text_as_json(found: "TextAnalysis") -> dict[str, Any]:
    """Plain values."""
    content: dict[str, Any] = {
        "scores": None if found.quality is None else _scores_json(found.quality),
        "repetition": dataclasses.asdict(found.repetition),
    }
    if found.memorisation is not None:
        content["memorisation"] = {
            **dataclasses.asdict(found.memorisation),
            "memorises": found.memorisation.memorises,
        }
    return content


def _scores_json(quality: "Quality") -> dict[str, float]:
    scores = {score.name: score.value for score in quality.scores}
    return {**scores, "overall": quality.overall, "trigram_cosine": quality.trigram_cosine}


def run_as_json(found: "RunAnalysis") -> dict[str, Any]:
    """Plain values. Those of the first mode stand at the top too, as those of a file do."""
    mode, first = next(iter(found.by_mode.items()))
    return {
        "mode": mode,
        **text_as_json(first.analysis),
        "modes": {
            mode: {"characters": len(written.text), **text_as_json(written.analysis), "text": written.text}
            for mode, written in found.by_mode.items()
        },
        "likelihood": {mode: dataclasses.asdict(one) for mode, one in found.likelihood.items()},
        "unscored": None if found.unscored is None else found.unscored.message,
        "held_out": text_as_json(found.of_held_out),
    }
