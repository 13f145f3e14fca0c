"""The command palette: what can be done now, by the keys of the screen."""

from collections.abc import Iterator
from functools import partial

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.types import IgnoreReturnCallbackType

LONGEST_SEARCH = 100
"""Characters of a paste that are searched."""


class BindingCommands(Provider):
    """Every binding of the screen that is enabled now and has a description, but that of the palette."""

    async def discover(self) -> Hits:
        for name, help_text, run in self._commands():
            yield DiscoveryHit(name, run, help=help_text)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for name, help_text, run in self._commands():
            if (score := matcher.match(name)) > 0:
                yield Hit(score, matcher.highlight(name), run, help=help_text)

    def _commands(self) -> Iterator[tuple[str, str, IgnoreReturnCallbackType]]:
        seen = {"command_palette"}
        for node, binding, enabled, tooltip in self.screen.active_bindings.values():
            if not enabled or binding.id is None or not binding.description or binding.action in seen:
                continue
            seen.add(binding.action)
            key = self.app.get_key_display(binding)
            help_text = f"{tooltip or binding.description}  ({key})"
            yield binding.description, help_text, partial(self.app.run_action, binding.action, node)
