"""What a run wrote and what happened in it, to scroll through. Each can show a part of it."""

from collections.abc import Callable, Hashable, Sequence
from typing import Literal, TypeVar

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content

from data.format import format_clock_seconds
from models.runs.events import SampleGenerated
from tui.content import joined, plain
from tui.run_feed import LogLine
from tui.widgets.text_rows import TextRows

_STYLES = {"plain": "", "good": "$success", "warning": "$warning", "error": "$error"}
Part = Literal["all", "events", "warnings"]
_Item = TypeVar("_Item", bound=Hashable)
Draw = Callable[[_Item, int], list[Content]]
"""The rows of something in so many cells."""
_NEXT: dict[Part, Part] = {"all": "events", "events": "warnings", "warnings": "all"}
_PARTS: dict[Part, str] = {
    "all": "",
    "events": "only what happened to the training; f shows the warnings",
    "warnings": "only warnings and errors; f shows everything",
}
_NARROWEST = 20
"""Cells beside the time in which words go on below their beginning."""
_NO_SAMPLE = "No sample yet. g asks a training for one."


class RunText(VerticalScroll):
    """Text, and the heading that belongs above it: which part is shown, empty for all."""

    def __init__(self) -> None:
        super().__init__()
        self.heading = ""
        self._drawn: dict[Hashable, list[Content]] = {}
        """The rows of what is shown, in `_width` cells."""
        self._width = 0

    def compose(self) -> ComposeResult:
        yield TextRows()

    def write(self, heading: str, shown: Sequence[_Item], draw: Draw[_Item]) -> None:
        """Show a heading, and each of `shown` in the rows that `draw` gives. What is drawn already stays."""
        self.heading = heading
        width = self.scrollable_content_region.width
        known = self._drawn if width == self._width else {}
        self._width = width
        self._drawn = {one: known[one] if one in known else draw(one, width) for one in shown}
        self.query_one(TextRows).show([row for one in shown for row in self._drawn[one]])


class SampleList(RunText):
    """The samples of a run, the newest first: all, or those of one prompt."""

    def __init__(self) -> None:
        super().__init__()
        self.prompt: str | None = None
        """The only prompt that is shown; None for all."""
        self._samples: Sequence[SampleGenerated] = ()
        self._none = _NO_SAMPLE

    @property
    def prompts(self) -> list[str]:
        """The prompts there are, that of the newest sample first."""
        return list(dict.fromkeys(one.prompt for one in reversed(self._samples)))

    def on_mount(self) -> None:
        self._write()

    def on_resize(self) -> None:
        self._write()

    def show(self, samples: Sequence[SampleGenerated], none: str = _NO_SAMPLE) -> None:
        """Show these samples; without any, the words `none`."""
        if list(samples) != list(self._samples) or none != self._none:
            self._samples, self._none = samples, none
            self._write()

    def filter(self) -> None:
        """Show the next prompt alone, after the last one all."""
        prompts = self.prompts
        place = prompts.index(self.prompt) + 1 if self.prompt in prompts else 0
        self.prompt = prompts[place] if place < len(prompts) and len(prompts) > 1 else None
        self._write()
        self.scroll_home(animate=False)

    def _write(self) -> None:
        prompts = self.prompts
        if self.prompt not in prompts:
            self.prompt = None
        chosen = [one for one in reversed(self._samples) if self.prompt in (None, one.prompt)]
        heading = ""
        if self.prompt is not None:
            number = prompts.index(self.prompt) + 1
            heading = f"prompt {number} of {len(prompts)}, the newest sample first; f shows the next"
        elif len(prompts) > 1:
            heading = f"{len(prompts)} prompts; f shows one at a time"
        if chosen:
            self.write(heading, chosen, lambda one, width: sample_content(one).wrap(max(1, width)))
        else:
            self.write(heading, [self._none], _muted)


class LogList(RunText):
    """The lines of a log, the newest last. It stays at its end until someone scrolls up."""

    def __init__(self) -> None:
        super().__init__()
        self.part: Part = "all"
        self._log: Sequence[LogLine] = ()
        self._words: Callable[[str], str] = str

    def on_resize(self) -> None:
        self._write()

    def on_mount(self) -> None:
        self._write()
        self.anchor()

    def show(self, log: Sequence[LogLine], words: Callable[[str], str]) -> None:
        """Show these lines, their settings and commands turned into `words`."""
        self._log, self._words = log, words
        self._write()

    def filter(self) -> None:
        """Show the next part of the log."""
        self.part = _NEXT[self.part]
        self._write()
        self.anchor()

    def _write(self) -> None:
        chosen = [one for one in self._log if _is_in(self.part, one)]
        none = "Nothing has happened yet." if self.part == "all" else "There is none."
        if chosen:
            self.write(_PARTS[self.part], chosen, lambda one, width: _rows_of(one, self._words, width))
        else:
            self.write(_PARTS[self.part], [none], _muted)


def _is_in(part: Part, line: LogLine) -> bool:
    if part == "warnings":
        return line.level in ("warning", "error")
    return part == "all" or line.is_milestone


def sample_content(sample: SampleGenerated) -> Content:
    """A sample with its step: the prompt, and what the model wrote after it."""
    return joined(
        (f"step {sample.step:,}\n", "$accent"), (sample.prompt, "bold"), f"{sample.text.rstrip()}\n"
    )


def _muted(text: str, width: int) -> list[Content]:
    return plain(text, "$foreground-muted").wrap(max(1, width))


def _rows_of(line: LogLine, words: Callable[[str], str], width: int) -> list[Content]:
    """The time, and beside it the words in as many rows as they take of so many cells."""
    clock = f"{format_clock_seconds(line.time)}  "
    text = plain(words(line.text), _STYLES[line.level])
    first = joined((clock, "$foreground-muted"))
    if (room := width - len(clock)) < _NARROWEST:
        return (first + text).wrap(max(1, width))
    head, *more = text.wrap(room)
    return [first + head, *(plain(" " * len(clock)) + row for row in more)]
