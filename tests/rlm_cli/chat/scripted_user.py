"""A user for a chat in a test."""

from prompt_toolkit.key_binding import KeyPress

from rlm_cli.chat.line_chat import LineChat


class Script:
    """A user who types these lines and leaves. An exception class among them is raised."""

    def __init__(self, *lines) -> None:
        self.lines = list(lines)
        self.defaults: list[str] = []
        self.kept: list[KeyPress] = []

    def read(self, default: str = "") -> str:
        self.defaults.append(default)
        if not self.lines:
            raise EOFError
        line = self.lines.pop(0)
        if not isinstance(line, str):
            raise line
        return line

    def keep(self, keys: list[KeyPress]) -> None:
        self.kept += keys

    def forget(self) -> None:
        self.kept = []


def roles(line_chat: LineChat) -> str:
    return "".join(turn.role[0] for turn in line_chat.session.conversation.turns)
