"""What the screens of the application have in common."""

from typing import TYPE_CHECKING, cast

from textual.screen import Screen

if TYPE_CHECKING:
    from tui.app import RlmApp


class RlmScreen(Screen[None]):
    """A screen that fills the terminal."""

    @property
    def rlm(self) -> "RlmApp":
        """The application, with what it has besides that of Textual."""
        return cast("RlmApp", self.app)
