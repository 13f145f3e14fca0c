"""The token under the cursor: its figures, and what else could have stood at its place."""

from typing import TYPE_CHECKING

from rich.cells import cell_len
from textual.binding import Binding
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from data.wording import percent
from tui.answer_tokens import TokenCursor
from tui.content import cut, joined, lines, padded

if TYPE_CHECKING:
    from models.generation.generate import GeneratedToken

_HIGH = 32  # lines of a terminal in which there is room for all alternatives
_FEW = 5
_BAR = 20  # cells
_LONGEST = 24  # cells of a token


class TokenPanel(Static, can_focus=True):
    """Moves the cursor by keys, and shows the token under it. It is shown while there is a cursor."""

    BINDINGS = [
        Binding("left", "move(-1)", id="token.before", show=False),
        Binding("right", "move(1)", "Token", id="token.next", key_display="←→",
                tooltip="The token before or after"),
        Binding("up", "move_answer(-1)", "Answer", id="token.answer_before", key_display="↑↓",
                tooltip="The answer before or after"),
        Binding("down", "move_answer(1)", id="token.answer_next", show=False),
        Binding("home", "move(-1_000_000)", "First token", id="token.first", show=False),
        Binding("end", "move(1_000_000)", "Last token", id="token.last", show=False),
        Binding("escape", "leave", "Close", id="token.close", tooltip="Back to the input"),
    ]  # fmt: skip

    class Moved(Message):
        """The cursor is at another token."""

    class Left(Message):
        """The cursor is no longer wanted."""

    def __init__(self) -> None:
        super().__init__()
        self.cursor: TokenCursor | None = None

    def show(self, cursor: TokenCursor) -> None:
        """Show the token under this cursor, and take the keys."""
        self.cursor = cursor
        self.display = True
        self.focus()
        self._moved()

    def close(self) -> None:
        self.cursor = None
        self.display = False

    def on_mount(self) -> None:
        self.display = False

    def on_resize(self) -> None:
        if self.cursor is not None:
            self.draw()

    def draw(self) -> None:
        """Draw the token as it is now."""
        if self.cursor is not None:
            self.update(self._content(self.cursor))

    def _content(self, cursor: TokenCursor) -> Content:
        tokens = cursor.tokens
        token = tokens[cursor.token]
        head = joined(
            (repr(tokens.token_text(token.id)), "bold $accent"), f"  id {token.id}  probability ",
            (percent(token.probability), "bold"), "  passes ", (f"{token.passes:g}", "bold"),
            (f"  {cursor.token + 1} of {len(tokens)}", "$foreground-muted"),
        )  # fmt: skip
        names = {id: cut(repr(tokens.token_text(id)), _LONGEST) for id, _ in self._alternatives(token)}
        if self.screen.has_class("-low"):
            others = [f"{names[id]} {percent(p)}" for id, p in self._alternatives(token) if id != token.id]
            return lines([head, joined(("  ".join(others), "$foreground-muted"))])
        chances = {id: percent(p) for id, p in self._alternatives(token)}
        width, chance_width = (max(map(cell_len, found.values()), default=0) for found in (names, chances))
        rows = [head]
        for id, p in self._alternatives(token):
            mark, style = ("▸ ", "bold") if id == token.id else ("  ", "")
            rows.append(joined((f"{mark}{padded(names[id], width)}  {chances[id]:>{chance_width}}  ", style),
                               ("━" * round(_BAR * p), "$primary")))  # fmt: skip
        return lines(rows)

    def _alternatives(self, token: "GeneratedToken") -> list[tuple[int, float]]:
        """The likeliest tokens of this place for which there is room, and the one that was chosen."""
        room = len(token.alternatives) if self.app.size.height >= _HIGH else _FEW
        found = list(token.alternatives[:room])
        if token.id not in dict(found):
            found[room - 1 :] = [(token.id, token.probability)]
        return found

    def _moved(self) -> None:
        self.draw()
        self.post_message(self.Moved())

    def action_move(self, by: int) -> None:
        if self.cursor is not None:
            self.cursor.move(by)
            self._moved()

    def action_move_answer(self, by: int) -> None:
        if self.cursor is not None:
            self.cursor.move_answer(by)
            self._moved()

    def action_leave(self) -> None:
        self.post_message(self.Left())
