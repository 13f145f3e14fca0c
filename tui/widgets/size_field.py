"""A number in a form. + and - change it."""

from textual.binding import Binding

from tui.expansion import Axis
from tui.widgets.plain_input import PlainInput


class SizeField(PlainInput):
    """The new size along one axis; empty for the present one."""

    BINDINGS = [
        Binding("plus,equals_sign", "change(1)", "Size", id="expand.larger", key_display="+-", priority=True,
                tooltip="One step larger; - is one step smaller"),
        Binding("minus", "change(-1)", "Smaller", id="expand.smaller", show=False, priority=True,
                tooltip="One step smaller, down to the present size"),
    ]  # fmt: skip

    def __init__(self, axis: Axis) -> None:
        super().__init__(placeholder=f"{axis.size:,}", restrict=r"\d{0,9}", compact=True, classes="size")
        self.axis = axis

    @property
    def number(self) -> int | None:
        """None where the size is to stay."""
        number = int(self.value) if self.value else self.axis.size
        return None if number == self.axis.size else number

    def action_change(self, direction: int) -> None:
        number = self.axis.changed(self.number or self.axis.size, direction)
        self.value = "" if number == self.axis.size else str(number)
        self.cursor_position = len(self.value)
