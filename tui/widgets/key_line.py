"""The keys that do something now, in the bottom line."""

from typing import Any

from textual.screen import Screen
from textual.widgets import Footer


class KeyLine(Footer):
    """A compact footer. It is drawn anew only where its keys are others, since that takes longer than a key
    may, and lets go of the keys it had before, which Textual would keep."""

    def __init__(self, *, show_command_palette: bool = True) -> None:
        super().__init__(compact=True, show_command_palette=show_command_palette)
        self._keys: object = None
        """What is shown of each key."""

    def bindings_changed(self, screen: Screen[Any]) -> None:
        if screen.app.app_focus and self.is_attached and screen is self.screen:
            keys = [
                (binding, is_enabled, tooltip)
                for _, binding, is_enabled, tooltip in screen.active_bindings.values()
                if binding.show or binding.key == screen.app.COMMAND_PALETTE_BINDING
            ]
            if keys == self._keys:
                return
            self._keys = keys
        super().bindings_changed(screen)

    async def recompose(self) -> None:
        await super().recompose()
        self.mutate_reactive(Footer.compact)  # its watchers are looked through, and those of old keys go
