"""`rlm analyze`: how good a text is, or what a model writes."""

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from data.errors import RlmError, UsageError
from models.depth import DEFAULT_MODE, depth_of
from models.generation.run_defaults import resolve_mode
from rlm_cli.analysis_view import run_as_json, show_run_analysis, show_text_analysis, text_as_json
from rlm_cli.choose_encoding import read_in_chosen_encoding
from rlm_cli.completion import complete_runs
from rlm_cli.generation_options import check_threads, load_model
from rlm_cli.options import (
    DeviceOption,
    JsonOption,
    ModeOption,
    QuietOption,
    RunsDirOption,
    ThreadsOption,
)
from rlm_cli.output import Form, Output
from rlm_cli.text_options import EncodingOption
from rlm_cli.torch_import import import_torch

if TYPE_CHECKING:
    from models.analysis.written_text import Writing
    from models.runs.run import Run

STDIN = "-"
ALL_MODES = "all"

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
    run.config().require_text(run.path)
    import_torch(output)
    from models.analysis.written_text import Writing

    writing = Writing(characters=characters, prompts=prompts, temperature=temperature, seed=seed)
    chosen = [mode or DEFAULT_MODE] if modes is None else modes.split(",")
    chosen = [one if one == ALL_MODES else resolve_mode(run, one) for one in chosen]
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
    if reference is None:
        raise UsageError(
            "There is nothing to compare this text with.",
            hint="Give a text of its language and kind with --reference FILE.",
        )
    import_torch(output)
    from models.analysis.analyze import analyze_text

    text = _read(source, encoding, output)
    found = analyze_text(text, _read(reference, encoding, output))
    content = {"source": source, "reference": str(reference), "characters": len(text), **text_as_json(found)}
    output.json(content)
    show_text_analysis(found, output)


def _analyze_run(
    run: "Run",
    chosen: list[str],
    writing: "Writing",
    reference: str | None,
    machine: tuple[str | None, int | None],
    output: Output,
) -> None:
    loaded = load_model(run, *machine, output, texts=writing.prompts)

    from models.analysis.analyze import analyze_run
    from rlm_cli.training_session import show_progress

    for note in loaded.notes:
        output.warn(note)
    depths = loaded.model.modes() if ALL_MODES in chosen else {name: depth_of(name) for name in chosen}
    steps = analyze_run(loaded, depths, writing, reference)
    found = show_progress(steps, Output(Form.QUIET) if output.is_json else output)
    output.json({"run": run.name, "path": str(run.path), **dataclasses.asdict(writing), **run_as_json(found)})
    show_run_analysis(found, output)


def _read(path: str | Path, encoding: str | None, output: Output) -> str:
    """The text at a path, "-" for standard input. What was assumed is a warning."""
    from data.whole_text import whole_text

    def read(encoding: str | None, guess: bool) -> tuple[str, tuple[str, ...]]:
        return whole_text(path, encoding, guess=guess)

    text, notes = read_in_chosen_encoding(read, encoding, output)
    for note in notes:
        output.warn(note)
    return text
