"""What a run wrote and what happened in it, to scroll through."""

import time
from collections.abc import Callable, Sequence

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from models.runs.events import SampleGenerated
from tui.content import joined, lines, plain
from tui.run_feed import LogLine

_STYLES = {"plain": "", "good": "$success", "warning": "$warning", "error": "$error"}


class SampleList(VerticalScroll):
    """The samples of a run, the newest first."""

    def compose(self) -> ComposeResult:
        yield Static(plain("No sample yet. g asks a training for one.", "$foreground-muted"))

    def show(self, samples: Sequence[SampleGenerated]) -> None:
        if samples:
            self.query_one(Static).update(lines([sample_content(one) for one in reversed(samples)]))


class LogList(VerticalScroll):
    """The lines of a log, the newest last. It stays at its end until someone scrolls up."""

    def compose(self) -> ComposeResult:
        yield Static(plain("Nothing has happened yet.", "$foreground-muted"))

    def on_mount(self) -> None:
        self.anchor()

    def show(self, log: Sequence[LogLine], words: Callable[[str], str]) -> None:
        """Show these lines, their settings and commands turned into `words`."""
        if log:
            self.query_one(Static).update(lines([_line(one, words) for one in log]))


def sample_content(sample: SampleGenerated) -> Content:
    """A sample with its step: the prompt, and what the model wrote after it."""
    return joined(
        (f"step {sample.step:,}\n", "$accent"), (sample.prompt, "bold"), f"{sample.text.rstrip()}\n"
    )


def _line(line: LogLine, words: Callable[[str], str]) -> Content:
    moment = time.strftime("%H:%M:%S", time.localtime(line.time))
    return joined((f"{moment}  ", "$foreground-muted"), (words(line.text), _STYLES[line.level]))
