"""Commands whose help leaves out types such as `<bool>` and ranges such as `[x>=1]`."""

from typing import Any

from typer.core import TyperCommand, TyperGroup


class PlainHelpCommand(TyperCommand):
    """A command with plain help."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        for parameter in self.get_params(ctx):
            _hide_type_and_range(parameter)
        super().format_help(ctx, formatter)


class PlainHelpGroup(TyperGroup):
    """A group of commands with plain help."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        for parameter in self.get_params(ctx):
            _hide_type_and_range(parameter)
        super().format_help(ctx, formatter)


def _hide_type_and_range(parameter: Any) -> None:
    """Change a parameter for the help. Only `--help` may call this, since it ends the command."""
    is_option = parameter.param_type_name == "option"
    type_text = (parameter.metavar or "") if is_option else ""
    parameter.display_type_rich = lambda ctx: type_text
    parameter.min = parameter.max = None
