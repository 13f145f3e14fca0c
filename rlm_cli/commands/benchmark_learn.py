"""`rlm benchmark learn`: train architectures on one text, beside dense models."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from data.errors import UsageError
from rlm_cli.exit_codes import ExitCode
from rlm_cli.generation_options import check_threads
from rlm_cli.options import DeviceOption, ForceOption, HtmlOption, JsonOption, QuietOption, ThreadsOption
from rlm_cli.output import Form, Output
from rlm_cli.report_pages import ReportPages
from rlm_cli.text_options import EncodingOption, FilterOption
from rlm_cli.torch_import import import_torch

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from models.benchmark.report import Report
    from models.runs.events import Event
    from models.training.control import Control

_STDIN = "-"

StepsOption = Annotated[
    int | None,
    typer.Option("--steps", min=1, metavar="N", help="Steps of each training.", show_default=False),
]
MinutesOption = Annotated[
    float | None,
    typer.Option("--minutes", metavar="M", help="Minutes of each training.", show_default=False),
]
ArchitecturesOption = Annotated[
    str | None,
    typer.Option("--archs", metavar="A,B", help="Architectures. Without it: all.", show_default=False),
]
SeedsOption = Annotated[
    int, typer.Option("--seeds", min=1, max=100, metavar="K", help="Trainings of each model.")
]
WidthOption = Annotated[
    int | None,
    typer.Option("--d-model", min=8, metavar="D", help="Width of the models.", show_default=False),
]
HeadsOption = Annotated[
    int | None, typer.Option("--heads", min=1, metavar="H", help="Attention heads.", show_default=False)
]
ContextOption = Annotated[
    int | None, typer.Option("--context", min=8, metavar="T", help="Context in tokens.", show_default=False)
]
BatchOption = Annotated[
    int | None, typer.Option("--batch-size", min=1, metavar="B", help="Sequences a step.", show_default=False)
]
FolderOption = Annotated[
    Path | None,
    typer.Option("--folder", metavar="FOLDER", help="Where the runs are kept.", show_default=False),
]
SaveOption = Annotated[
    Path | None,
    typer.Option(
        "--save", "--markdown", metavar="FILE", help="Write the result as Markdown.", show_default=False
    ),
]


def learn(
    corpus: Annotated[str, typer.Argument(metavar="CORPUS", help="A text file or a folder of them.")],
    encoding: EncodingOption = None,
    filters: FilterOption = None,
    steps: StepsOption = None,
    minutes: MinutesOption = None,
    architectures: ArchitecturesOption = None,
    seeds: SeedsOption = 1,
    width: WidthOption = None,
    heads: HeadsOption = None,
    context: ContextOption = None,
    batch_size: BatchOption = None,
    device: DeviceOption = None,
    threads: ThreadsOption = None,
    folder: FolderOption = None,
    save: SaveOption = None,
    html: HtmlOption = None,
    force: ForceOption = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Train architectures on one text, beside dense models.

    Each has beside it the dense model of equal parameters, the one of equal
    computation and the best dense preset. Sizes that are left open are those
    that rlm train plans for this text and this time. Ctrl-C pauses; the same
    command goes on where it was.

    Examples:
      rlm benchmark learn book.txt --minutes 3
      rlm benchmark learn book.txt --steps 600 --seeds 2 --archs looped,hrm
      rlm benchmark learn book.txt --steps 600 --save architectures.md
      rlm benchmark learn notes.jsonl --minutes 3 --filter technical
    """
    output = Output.of(json=json, quiet=quiet)
    pages = ReportPages.of(save, html, force)
    check_threads(threads)
    if (steps is None) == (minutes is None):
        raise UsageError("How long is each training?", hint="Give one of --steps and --minutes.")
    if corpus == _STDIN:
        raise UsageError(
            "Standard input can be read once, and every training reads the text.",
            hint="Write it to a file first.",
        )
    import_torch(output)
    from models.architectures import ARCHITECTURES
    from models.benchmark.learn import LearnRequest, benchmark_learn
    from models.training.control import Control

    request = LearnRequest(
        corpus=corpus,
        encoding=encoding,
        filters=filters,
        architectures=list(ARCHITECTURES) if architectures is None else _names(architectures),
        model=_chosen(d_model=width, n_heads=heads, context_length=context),
        seeds=seeds,
        steps=steps,
        minutes=minutes,
        batch_size=batch_size,
        device=device or "auto",
        threads=threads or 0,
    )
    length = f"{steps}-steps" if steps else f"{minutes:g}-minutes"
    size = "" if width is None else f"-width-{width}"
    place = folder or Path("benchmarks") / f"{Path(corpus).stem}-{length}{size}"
    control = Control()
    report, code = _learned(benchmark_learn(request, place, control), control, output)
    if report is None:
        output.say("Paused. The same command goes on where it was.")
        raise typer.Exit(code)
    pages.show_and_write(report, output)


def _chosen(**sizes: int | None) -> dict[str, object]:
    """The sizes that were typed."""
    return {name: size for name, size in sizes.items() if size is not None}


def _names(architectures: str) -> list[str]:
    """The architectures of --archs, which may be written with hyphens as for --arch."""
    return [name.strip().replace("-", "_") for name in architectures.split(",")]


def _learned(
    steps: "Generator[Event, None, Report | None]", control: "Control", output: Output
) -> "tuple[Report | None, ExitCode]":
    """Show the trainings. A Ctrl-C asks what to do, as in a training."""
    from rlm_cli.training_session import show_training

    report: Report | None = None

    def events() -> "Iterator[Event]":
        nonlocal report
        report = yield from steps

    _, code = show_training(events(), control, Output(Form.QUIET) if output.is_json else output)
    return report, code
