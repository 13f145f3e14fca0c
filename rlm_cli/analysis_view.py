"""What `rlm analyze` found, as tables on the terminal and as JSON."""

import dataclasses
from typing import TYPE_CHECKING, Any

from models.analysis.result_tables import copy_rows, likelihood_table, repetition_rows, score_table, shares
from rlm_cli.output import Output

if TYPE_CHECKING:
    from models.analysis.analyze import RunAnalysis, TextAnalysis
    from models.analysis.quality import Quality

_EXCERPT = 240


def show_text_analysis(found: "TextAnalysis", output: Output, held_out: "TextAnalysis | None" = None) -> None:
    """Print the scores and the rest, beside what `held_out` has."""
    if found.quality is not None:
        output.text_table(score_table(found.quality))
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
    output.text_table(likelihood_table(found.likelihood))


def _show_details(found: "TextAnalysis", output: Output, held_out: "TextAnalysis | None" = None) -> None:
    measures = {one.name: one for one in shares(found, held_out)}
    rows = []
    if (cosine := measures.get("trigram cosine")) is not None:
        rows.append((cosine.name, f"{cosine.text}   ({cosine.meaning})" if cosine.meaning else cosine.text))
    distinct, compressed, longest = repetition_rows(found, held_out)
    rows += [distinct, compressed, ("in loops", measures["in loops"].text), longest]
    if (copied := measures.get("copied")) is not None:
        rows.append((copied.name, f"{copied.text} {copied.meaning}"))
    output.pairs([*rows, *copy_rows(found)])


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
