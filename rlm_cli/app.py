"""Registers every command, and turns errors into messages and exit codes.

All command modules are imported here, so none of them may import torch at module level. Each imports
the core inside the function that needs it.
"""

import contextlib
from collections.abc import Sequence
from typing import Annotated

import typer

from data.errors import RlmError
from rlm_cli.commands.analyze import analyze
from rlm_cli.commands.benchmark import benchmark
from rlm_cli.commands.chat import chat
from rlm_cli.commands.control import pause, sample, save, stop
from rlm_cli.commands.copy import copy, rename
from rlm_cli.commands.create import create
from rlm_cli.commands.data import data_commands
from rlm_cli.commands.doctor import doctor
from rlm_cli.commands.expand import expand
from rlm_cli.commands.export import export, import_
from rlm_cli.commands.generate import generate
from rlm_cli.commands.ls import ls
from rlm_cli.commands.plot import plot
from rlm_cli.commands.recover_tokenizer import recover_tokenizer
from rlm_cli.commands.resume import resume
from rlm_cli.commands.rm import rm
from rlm_cli.commands.serve import serve
from rlm_cli.commands.show import show
from rlm_cli.commands.solve import solve
from rlm_cli.commands.trace import trace
from rlm_cli.commands.train import train
from rlm_cli.commands.train_plans import train_plans
from rlm_cli.commands.train_run import train_run
from rlm_cli.commands.tui import tui
from rlm_cli.commands.verify import verify
from rlm_cli.commands.watch import watch
from rlm_cli.environment import read_environment, take_misspelt_variables
from rlm_cli.exit_codes import ExitCode, exit_code_of
from rlm_cli.output import Output
from rlm_cli.plain_help import PlainHelpCommand, PlainHelpGroup
from rlm_cli.program import set_runs_dir
from rlm_cli.streams import OutputError, drop_broken_streams, flush_streams
from rlm_cli.usage_errors import usage_error

MAKE = "Make a model"
USE = "Use it"
CONTROL = "Control a training"
LOOK = "Look around"
MANAGE = "Copy, rename and remove runs"
ELSEWHERE = "Take it elsewhere"

app = typer.Typer(
    name="rlm",
    cls=PlainHelpGroup,
    help="Recursive language models of your own text, on the machine you have.",
    epilog="Start with:  rlm train FILE\n\n"
    "Most flags can be set in the environment: RLM_SEED=7 means --seed 7.",
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.command(cls=PlainHelpCommand, rich_help_panel=MAKE)(train)
app.command(cls=PlainHelpCommand, rich_help_panel=MAKE)(resume)
app.command(cls=PlainHelpCommand, rich_help_panel=MAKE)(create)
app.command(cls=PlainHelpCommand, rich_help_panel=MAKE)(expand)
app.add_typer(data_commands, name="data", rich_help_panel=MAKE)
app.command(cls=PlainHelpCommand, rich_help_panel=USE)(chat)
app.command(cls=PlainHelpCommand, rich_help_panel=USE)(generate)
app.command(cls=PlainHelpCommand, rich_help_panel=USE)(solve)
app.command(cls=PlainHelpCommand, rich_help_panel=USE)(serve)
app.command(cls=PlainHelpCommand, rich_help_panel=CONTROL)(watch)
app.command(cls=PlainHelpCommand, rich_help_panel=CONTROL)(pause)
app.command(cls=PlainHelpCommand, rich_help_panel=CONTROL)(stop)
app.command(cls=PlainHelpCommand, rich_help_panel=CONTROL)(save)
app.command(cls=PlainHelpCommand, rich_help_panel=CONTROL)(sample)
app.command(cls=PlainHelpCommand, rich_help_panel=LOOK)(ls)
app.command(cls=PlainHelpCommand, rich_help_panel=LOOK)(show)
app.command(cls=PlainHelpCommand, rich_help_panel=LOOK)(tui)
app.command("ui", cls=PlainHelpCommand, hidden=True)(tui)
app.command(cls=PlainHelpCommand, rich_help_panel=LOOK)(plot)
app.command(cls=PlainHelpCommand, rich_help_panel=LOOK)(analyze)
app.command(cls=PlainHelpCommand, rich_help_panel=LOOK)(trace)
app.command(cls=PlainHelpCommand, rich_help_panel=LOOK)(verify)
app.add_typer(benchmark, name="benchmark", rich_help_panel=LOOK)
app.command(cls=PlainHelpCommand, rich_help_panel=ELSEWHERE)(export)
app.command("import", cls=PlainHelpCommand, rich_help_panel=ELSEWHERE)(import_)
app.command(cls=PlainHelpCommand, rich_help_panel=MANAGE)(copy)
app.command(cls=PlainHelpCommand, rich_help_panel=MANAGE)(rename)
app.command(cls=PlainHelpCommand, rich_help_panel=MANAGE)(rm)
app.command(cls=PlainHelpCommand, rich_help_panel=LOOK)(doctor)
app.command(cls=PlainHelpCommand, rich_help_panel=LOOK)(recover_tokenizer)
app.command(cls=PlainHelpCommand, hidden=True)(train_run)
app.command(cls=PlainHelpCommand, hidden=True)(train_plans)


def _show_version(show: bool) -> None:
    if show:
        from importlib.metadata import PackageNotFoundError, version  # 15 ms that only --version needs

        try:
            print(f"rlm {version('rlm')}")
        except PackageNotFoundError:
            print("rlm (not installed: running from its folder)")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def start(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    read_environment()
    for name, near in take_misspelt_variables(context.command):
        Output().warn(f"The environment variable {name} is not known. Did you mean {near}?")
    if context.invoked_subcommand is None:
        context.get_help()  # typer prints it


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code. Exceptions that are not ours pass through.

    `arguments` follow the program's name; by default they are those of the process.
    """
    try:
        status = _run(arguments)
        flush_streams()
    except OutputError as error:
        drop_broken_streams([error.stream])
        if error.is_closed_pipe:
            return ExitCode.PIPE_CLOSED
        with contextlib.suppress(OutputError):  # the window may be closed
            Output().error(error.as_rlm_error())
        return ExitCode.FAILED
    finally:
        set_runs_dir(None)  # it was typed for this command alone
    return status


def _run(arguments: Sequence[str] | None) -> int:
    try:
        status = app(args=arguments, prog_name="rlm", standalone_mode=False)
    except RlmError as error:
        Output().error(error)
        return exit_code_of(error)
    except typer.TyperException as error:
        Output().error(usage_error(error))
        return ExitCode.USAGE
    except (typer.Abort, KeyboardInterrupt):
        return ExitCode.PAUSED
    return status if isinstance(status, int) else ExitCode.OK
