"""Commands whose help names the program as it was called, and leaves out types and ranges."""

import re
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from rlm_cli.program import program

_PROGRAM = re.compile(r"\brlm (?=[a-z\[])")


class PlainHelpCommand(TyperCommand):
    """A command with plain help, which the errors of its parser point to."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except typer.TyperException as error:
            if getattr(error, "ctx", None) is None:  # as where a flag has no value
                error.ctx = ctx  # type: ignore[attr-defined]
            raise

    def get_usage(self, ctx: Any) -> str:
        return _as_called(super().get_usage(ctx))

    def format_help(self, ctx: Any, formatter: Any) -> None:
        _make_plain(self, self.get_params(ctx))
        super().format_help(ctx, formatter)


class PlainHelpGroup(TyperGroup):
    """A group of commands with plain help. It suggests no hidden command for one that is not known."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        everything, name = self.commands, args[0] if args else ""
        self.commands = {key: one for key, one in everything.items() if key == name or not one.hidden}
        try:
            return super().resolve_command(ctx, args)
        finally:
            self.commands = everything

    def get_usage(self, ctx: Any) -> str:
        return _as_called(super().get_usage(ctx))

    def format_help(self, ctx: Any, formatter: Any) -> None:
        _make_plain(self, self.get_params(ctx))
        super().format_help(ctx, formatter)


def _make_plain(command: Any, parameters: list[Any]) -> None:
    """Change a command for its help. Only `--help` may call this, since it ends the command."""
    command.help, command.epilog = _as_called(command.help or ""), _as_called(command.epilog or "")
    for parameter in parameters:
        parameter.help = _as_called(getattr(parameter, "help", None) or "")
        _hide_type_and_range(parameter)


def _hide_type_and_range(parameter: Any) -> None:
    """Leave out types such as `<bool>` and ranges such as `[x>=1]`."""
    is_option = parameter.param_type_name == "option"
    type_text = (parameter.metavar or "") if is_option else ""
    parameter.display_type_rich = lambda ctx: type_text
    parameter.min = parameter.max = None


def _as_called(text: str) -> str:
    """Replace the program's name in front of a command."""
    return _PROGRAM.sub(lambda _: program() + " ", text)
