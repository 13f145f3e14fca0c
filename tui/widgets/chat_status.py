"""The lines about a chat: its title, what the colours of tokens mean, and its settings and figures."""

from textual.widgets import Static

from models.generation.answer_stats import mean_passes_words
from models.generation.chat_session import ChatSession
from tui.answer_tokens import LABELS, AnswerTokens, Coloring
from tui.chat_entries import Speed
from tui.content import joined, plain
from tui.theme import level_style

_BAR = 8  # cells of the context meter
_WIDE = 70
_VERY_WIDE = 100
"""Columns that also have room for how many messages do not fit the context."""
_ALMOST_FULL = 0.9

Parts = list[tuple[str, str] | str]


class ChatTitle(Static):
    """Which run this is, and whether it has newer weights."""

    def show(self, name: str, *, has_newer: bool) -> None:
        newer = [("   newer weights: F5", "$success")] if has_newer else []
        self.update(joined(("chat", "bold $primary"), f"   {name}", *newer))


class ColorLegend(Static):
    """What the colours of tokens mean. It is shown while there are colours."""

    def show(self, coloring: Coloring, last: AnswerTokens | None) -> None:
        """`last` are the tokens of the newest answer."""
        self.display = coloring != "plain"
        if coloring == "plain":
            return
        parts = legend_parts(coloring, has_colors=not self.app.no_color)
        if last is not None and (summary := last.summary(coloring)):
            parts.append((f"   last answer: {summary}", "$foreground-muted"))
        self.update(joined(*parts))


def legend_parts(coloring: Coloring, *, has_colors: bool) -> Parts:
    """The names of the levels, each in its colour."""
    parts: Parts = ["probability in %" if coloring == "probability" else "passes"]
    for level, label in enumerate(LABELS[coloring]):
        parts += [" ", (f" {label}", level_style(level, has_colors=has_colors))]
    return parts


class ChatStatus(Static):
    """The mode, the temperature, the speed, the passes and the context."""

    def __init__(self) -> None:
        super().__init__()
        self._used_and_length = 0, 1
        self._shown: tuple[ChatSession | None, Speed | None, bool] | None = None

    def on_resize(self) -> None:
        if self._shown is not None:
            session, speed, is_writing = self._shown
            self.show(session, speed, is_writing=is_writing)

    def show(self, session: ChatSession | None, speed: Speed | None, *, is_writing: bool) -> None:
        """Without a session, the model is being loaded. `speed` is that of an answer being written."""
        self._shown = session, speed, is_writing
        if session is None:
            self.update(plain("Loading the model …", "$foreground-muted"))
            return
        settings, stats = session.settings, session.stats
        parts: Parts = [
            (settings.mode, "bold $accent"), f" {settings.depth}  temp ",
            (f"{settings.generation.temperature:g}", "bold $accent"),
        ]  # fmt: skip
        if (figures := speed or stats) is not None:
            speed_words = f"{figures.tokens_per_second:.0f} tokens/s"
            parts.append(f"  {speed_words}  {mean_passes_words(figures.mean_passes)}")
        if not is_writing:
            self._used_and_length = session.context()
        used, length = self._used_and_length
        share = used / length
        style = "$warning" if share >= _ALMOST_FULL else "$primary"
        parts.append("  context ")
        if self.app.size.width >= _WIDE:
            full = round(_BAR * share)
            parts += [("━" * full, style), ("━" * (_BAR - full), "$panel"), " "]
        has_room = self.app.size.width >= _VERY_WIDE
        parts.append(stats.context() if has_room and stats and not is_writing else f"{used}/{length}")
        self.update(joined(*parts))
