"""What the screens of the application have in common."""

from typing import TYPE_CHECKING, TypeVar, cast

from textual.screen import ModalScreen, Screen

if TYPE_CHECKING:
    from tui.app import RlmApp

_Answer = TypeVar("_Answer")


class RlmScreen(Screen[None]):
    """A screen that fills the terminal."""

    @property
    def rlm(self) -> "RlmApp":
        """The application, with what it has besides that of Textual."""
        return cast("RlmApp", self.app)


class RlmModal(ModalScreen[_Answer]):
    """A dialog above a screen. It gives an answer."""

    @property
    def rlm(self) -> "RlmApp":
        """The application, with what it has besides that of Textual."""
        return cast("RlmApp", self.app)
