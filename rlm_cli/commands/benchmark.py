"""`rlm benchmark`: speed, learning, depth, and two results side by side."""

import json as json_module
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from data.errors import UsageError
from rlm_cli.commands.benchmark_learn import learn
from rlm_cli.generation_options import check_threads, load_model, open_run
from rlm_cli.options import (
    DeviceOption,
    ForceOption,
    HtmlOption,
    JsonOption,
    QuietOption,
    RunArgument,
    RunsDirOption,
    ThreadsOption,
)
from rlm_cli.output import Form, Output
from rlm_cli.plain_help import PlainHelpCommand, PlainHelpGroup
from rlm_cli.report_pages import ReportPages
from rlm_cli.speed_scan import (
    AxesOption,
    ScanMinutesOption,
    ScanOption,
    require_no_scan,
    scan_request,
)
from rlm_cli.torch_import import import_torch

if TYPE_CHECKING:
    from collections.abc import Generator

    from models.benchmark.report import Report
    from models.runs.events import Event

benchmark = typer.Typer(
    cls=PlainHelpGroup,
    help="Measure how fast a model is, how it learns, and what depth costs and buys.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)
_LARGEST_RESULT = 32 * 2**20

MarkdownOption = Annotated[
    Path | None,
    typer.Option("--markdown", metavar="FILE", help="Write the result as Markdown.", show_default=False),
]


@benchmark.command(cls=PlainHelpCommand)
def speed(
    run_name: RunArgument = None,
    peers: Annotated[
        bool, typer.Option("--peers", help="Time models of nanoGPT's and a Llama's shape beside it.")
    ] = False,
    scan: ScanOption = False,
    axes: AxesOption = None,
    minutes: ScanMinutesOption = None,
    device: DeviceOption = None,
    threads: ThreadsOption = None,
    markdown: MarkdownOption = None,
    html: HtmlOption = None,
    force: ForceOption = False,
    runs_dir: RunsDirOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Time the training and the writing of a model, beside what the machine can do.

    With --scan: how the cost of a token grows with each size, beside what it
    must cost. Ctrl-C ends a scan and shows what was measured.

    Examples:
      rlm benchmark speed book
      rlm benchmark speed book --peers --html speed.html
      rlm benchmark speed book --json > before.json
      rlm benchmark speed --scan --axes width,context --minutes 2
    """
    output = Output.of(json=json, quiet=quiet)
    pages = ReportPages.of(markdown, html, force)
    check_threads(threads)
    if scan:
        request = scan_request(
            run_name, runs_dir, peers=peers, axes=axes, minutes=minutes, device=device, threads=threads
        )
        from models.benchmark.scan import benchmark_scan

        _finish(benchmark_scan(request), pages, output)
        return
    require_no_scan(axes, minutes)
    run = open_run(run_name, runs_dir)
    run.config().require_text(run.path)
    loaded = load_model(run, device, threads, output)

    from models.benchmark.speed import benchmark_speed

    _finish(benchmark_speed(loaded, with_peers=peers), pages, output)


@benchmark.command(cls=PlainHelpCommand)
def depth(
    run_name: RunArgument = None,
    device: DeviceOption = None,
    threads: ThreadsOption = None,
    markdown: MarkdownOption = None,
    html: HtmlOption = None,
    force: ForceOption = False,
    runs_dir: RunsDirOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Show what each depth of a model costs, what it buys, and where returns stop.

    Examples:
      rlm benchmark depth book
      rlm benchmark depth sudoku-4x4
      rlm benchmark depth book --html depth.html
    """
    output = Output.of(json=json, quiet=quiet)
    pages = ReportPages.of(markdown, html, force)
    check_threads(threads)
    run = open_run(run_name, runs_dir)
    if run.config().solves_puzzles:
        import_torch(output)
        from models.benchmark.puzzle_depth import benchmark_puzzle_depth
        from models.device import prepare_process
        from models.generation.solver import load_solver

        prepare_process(threads or 0)
        _finish(benchmark_puzzle_depth(load_solver(run, device or "cpu")), pages, output)
        return
    if run.config().answers_problems:
        import_torch(output)
        from models.benchmark.problem_depth import benchmark_problem_depth
        from models.device import prepare_process
        from models.generation.problem_solver import load_problem_solver

        prepare_process(threads or 1)
        _finish(benchmark_problem_depth(load_problem_solver(run, device or "cpu")), pages, output)
        return
    loaded = load_model(run, device, threads, output)

    from models.benchmark.depth import benchmark_depth

    _finish(benchmark_depth(loaded), pages, output)


benchmark.command(cls=PlainHelpCommand)(learn)


@benchmark.command(cls=PlainHelpCommand)
def compare(
    first: Annotated[Path, typer.Argument(metavar="A.json", help="A result, written with --json.")],
    second: Annotated[Path, typer.Argument(metavar="B.json", help="Another of the same kind.")],
    markdown: MarkdownOption = None,
    html: HtmlOption = None,
    force: ForceOption = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Set two results side by side.

    Examples:
      rlm benchmark compare before.json after.json
    """
    from models.benchmark.compare import compare as compare_reports

    output = Output.of(json=json, quiet=quiet)
    pages = ReportPages.of(markdown, html, force)
    pages.show_and_write(compare_reports(_read(first), _read(second)), output)


def _finish(steps: "Generator[Event, None, Report]", pages: ReportPages, output: Output) -> None:
    """Run a benchmark with its progress, then show and write what it found."""
    from rlm_cli.training_session import show_progress

    report = show_progress(steps, Output(Form.QUIET) if output.is_json else output)
    pages.show_and_write(report, output)


def _read(path: Path) -> "Report":
    from data.plain_file import UnreadableFileError, read_plain_file
    from models.benchmark.report import from_json

    try:
        content: Any = json_module.loads(
            read_plain_file(Path(os.path.expanduser(path)), _LARGEST_RESULT, follow_links=True)
        )
    except FileNotFoundError:
        raise UsageError(f"There is no file '{path}'.", hint="Write one with --json.") from None
    except UnreadableFileError as error:
        raise UsageError(error.message, hint="Give a file that was written with --json.") from error
    except (ValueError, RecursionError):
        raise UsageError(f"'{path}' is no JSON.", hint="Write one with --json.") from None
    try:
        return from_json(content)
    except UsageError as error:
        raise UsageError(f"'{path}' is no result of a benchmark.", hint=error.hint) from None
