"""`rlm analyze`: how good a text is, or what a model writes."""

import dataclasses
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from data.errors import RlmError, UsageError
from models.depth import DEFAULT_MODE, depth_of
from rlm_cli.choose_encoding import read_in_chosen_encoding
from rlm_cli.generation_options import check_threads, load_model
from rlm_cli.options import (
    DeviceOption,
    JsonOption,
    ModeOption,
    QuietOption,
    RunsDirOption,
    ThreadsOption,
    complete_runs,
)
from rlm_cli.output import Form, Output
from rlm_cli.text_options import EncodingOption

if TYPE_CHECKING:
    from models.analysis.analyze import RunAnalysis, TextAnalysis
    from models.analysis.likelihood import Likelihood
    from models.analysis.quality import Quality
    from models.analysis.written_text import Writing
    from models.depth import Depth
    from models.runs.run import Run

STDIN = "-"
_EXCERPT = 240
_BLIND = {
    "character_coherence": "neighbouring letters; blind to words that do not exist",
    "word_formation": "known words; blind to their order, and to good words that are new",
    "sentence_structure": "order of words; blind to what they say",
    "semantic_meaning": "words that belong together; blind to facts and logic",
    "token_diversity": "variety; blind to noise, which is varied too",
}
"""What each score sees, and what it cannot see."""


SourceArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="RUN|FILE|-",
        help="A run, a text file, or - for standard input. Without it: the newest run.",
        autocompletion=complete_runs,
        show_default=False,
    ),
]
ReferenceOption = Annotated[
    Path | None,
    typer.Option(
        "--reference",
        metavar="FILE",
        help="Text to compare with. A run has its own.",
        show_default=False,
    ),
]
ModesOption = Annotated[
    str | None,
    typer.Option(
        "--modes", metavar="all|MODE,MODE", help="Let it write at several modes.", show_default=False
    ),
]
CharactersOption = Annotated[
    int, typer.Option("--characters", min=500, max=200_000, metavar="N", help="How much it writes.")
]
PromptsOption = Annotated[
    int, typer.Option("--prompts", min=1, max=256, metavar="N", help="Beginnings that it goes on from.")
]
TemperatureOption = Annotated[
    float, typer.Option("--temp", min=0.0, max=2.0, metavar="T", help="Temperature of the writing.")
]
SeedOption = Annotated[int, typer.Option("--seed", min=0, metavar="N", help="The same seed writes the same.")]


def analyze(
    source: SourceArgument = None,
    reference: ReferenceOption = None,
    encoding: EncodingOption = None,
    mode: ModeOption = None,
    modes: ModesOption = None,
    characters: CharactersOption = 6000,
    prompts: PromptsOption = 8,
    temperature: TemperatureOption = 0.8,
    seed: SeedOption = 0,
    device: DeviceOption = None,
    threads: ThreadsOption = None,
    runs_dir: RunsDirOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Judge a text, or what a model writes, by text that people wrote.

    Five scores from 0 (noise) to 100 (like held-out text), what was copied
    from the training text, what repeats, and bits per byte at every mode.
    docs/metrics.md explains each figure.

    Examples:
      rlm analyze book
      rlm analyze book --modes all --json
      rlm analyze story.txt --reference book.txt
      rlm generate book | rlm analyze - --reference book.txt
    """
    output = Output.of(json=json, quiet=quiet)
    check_threads(threads)
    if mode is not None and modes is not None:
        raise UsageError("--mode and --modes exclude each other.", hint="Give one of them.")
    run = _run_of(source, runs_dir)
    if run is None:
        assert source is not None
        _analyze_file(source, reference, encoding, output)
        return
    from models.analysis.written_text import Writing

    run.config().require_text(run.path)
    writing = Writing(characters=characters, prompts=prompts, temperature=temperature, seed=seed)
    chosen = [mode] if mode is not None else None if modes is None else modes.split(",")
    reference_text = None if reference is None else _read(reference, encoding, output)
    _analyze_run(run, chosen, writing, reference_text, (device, threads), output)


def _run_of(source: str | None, runs_dir: Path | None) -> "Run | None":
    """The run that is named, or the newest; None for a file. A run wins over a file of its name."""
    from models.runs.run import Run
    from rlm_cli.environment import runs_dir as find_runs_dir

    if source == STDIN:
        return None
    try:
        return Run.open(source, find_runs_dir(runs_dir))
    except RlmError:
        if source is not None and Path(os.path.expanduser(source)).is_file():
            return None
        raise


def _analyze_file(source: str, reference: Path | None, encoding: str | None, output: Output) -> None:
    from models.analysis.analyze import analyze_text

    if reference is None:
        raise UsageError(
            "There is nothing to compare this text with.",
            hint="Give a text of its language and kind with --reference FILE.",
        )
    text = _read(source, encoding, output)
    found = analyze_text(text, _read(reference, encoding, output))
    output.json({"source": source, "reference": str(reference), **_text_json(found)})
    _show_scores(found.quality, output)
    _show_details(found, output)


def _analyze_run(
    run: "Run",
    chosen: list[str] | None,
    writing: "Writing",
    reference: str | None,
    machine: tuple[str | None, int | None],
    output: Output,
) -> None:
    loaded = load_model(run, *machine)

    from models.analysis.analyze import analyze_run
    from rlm_cli.training_session import show_progress

    for note in loaded.notes:
        output.warn(note)
    depths = _depths(chosen, loaded.model.modes())
    steps = analyze_run(loaded, depths, writing, reference)
    found = show_progress(steps, Output(Form.QUIET) if output.is_json else output)
    output.json({"run": run.name, "path": str(run.path), **dataclasses.asdict(writing), **_run_json(found)})
    for number, (mode, written) in enumerate(found.by_mode.items()):
        if number:
            output.result()
        output.result(f"{written.analysis.quality.characters:,} characters written at mode {mode}:")
        output.result("  " + " ".join(written.text[:_EXCERPT].split()) + " …", style="dim")
        output.result()
        _show_scores(written.analysis.quality, output)
        _show_details(written.analysis, output, found.of_held_out)
    output.result()
    _show_likelihood(found.likelihood, output)


def _depths(chosen: list[str] | None, available: "dict[str, Depth]") -> "dict[str, Depth]":
    """Raises UsageError for an unknown mode."""
    if chosen == ["all"]:
        return available
    names = [DEFAULT_MODE] if chosen is None else chosen
    return {name: depth_of(name) for name in names}


def _read(path: str | Path, encoding: str | None, output: Output) -> str:
    """The text at a path, "-" for standard input. What was assumed is a warning."""
    from data.whole_text import whole_text

    def read(encoding: str | None, guess: bool) -> tuple[str, tuple[str, ...]]:
        return whole_text(path, encoding, guess=guess)

    text, notes = read_in_chosen_encoding(read, encoding, output)
    for note in notes:
        output.warn(note)
    return text


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
    rows = [
        (
            "trigram cosine",
            beside(f"{found.quality.trigram_cosine:.3f}", f"{other.quality.trigram_cosine:.3f}"),
        ),
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
    output.result()
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


def _text_json(found: "TextAnalysis") -> dict[str, Any]:
    quality = found.quality
    content: dict[str, Any] = {
        "characters": quality.characters,
        "scores": {score.name: score.value for score in quality.scores}
        | {"overall": quality.overall, "trigram_cosine": quality.trigram_cosine},
        "repetition": dataclasses.asdict(found.repetition),
    }
    if found.memorisation is not None:
        content["memorisation"] = {
            **dataclasses.asdict(found.memorisation),
            "memorises": found.memorisation.memorises,
        }
    return content


def _run_json(found: "RunAnalysis") -> dict[str, Any]:
    return {
        "modes": {
            mode: {**_text_json(written.analysis), "text": written.text}
            for mode, written in found.by_mode.items()
        },
        "likelihood": {mode: dataclasses.asdict(one) for mode, one in found.likelihood.items()},
        "held_out": _text_json(found.of_held_out),
    }
