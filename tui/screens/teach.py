"""The form for a run that learns more: another text, or more of the one it is at."""

from pathlib import Path

from textual.app import ComposeResult

from data.errors import RlmError
from models.runs.run import Run
from tui.screens.new_run import NewRunScreen
from tui.training_form import ADVANCED_OF_CONTINUED, NAME_OF_COPY


class TeachScreen(NewRunScreen):
    """Asks for the next text of a run. Without one, the run goes on with the text it is at."""

    HELP_TEXT = (
        "The run goes on with another text and keeps what it learned before: as a version to go back to, and "
        "by replay of the earlier texts. With a name, a copy goes on and the run stays as it is. Without a "
        "text, the run goes on with the one it is at, for as many minutes or steps more. F10 starts."
    )
    advanced = ADVANCED_OF_CONTINUED
    name_field = NAME_OF_COPY

    def __init__(self, runs_dir: Path, run: Path) -> None:
        super().__init__(runs_dir)
        self.run = run
        self._corpus, self._own_paths = _text_of(run)

    def text_placeholder(self) -> str:
        return f"another one; without it, more of {self._corpus}"

    def compose_model(self) -> ComposeResult:
        yield from ()

    def paths(self) -> list[str]:
        return super().paths() or self._own_paths


def _text_of(run: Path) -> tuple[str, list[str]]:
    """The name of the text that a run is at, and the paths of its files; none where that cannot be read."""
    try:
        config = Run(run).config()
    except RlmError:
        return "its own text", []
    paths = list(config.data.paths) if config.data is not None else []
    return config.corpus or "its own text", paths
