"""Names and texts beside each other."""

from rich.cells import cell_len

from tests.tui.conftest import HOSTILE
from tui.widgets.two_columns import two_columns


def test_a_long_text_goes_on_below_its_beginning_and_an_empty_one_keeps_its_name() -> None:
    rows = [("one", "the owl and the hare and the fox"), ("東京", ""), ("three", HOSTILE)]
    found = [line.plain for line in two_columns(rows, 24)]
    assert [line.rstrip() for line in found[:3]] == [
        "one    the owl and the",
        "       hare and the fox",
        "東京",
    ]
    assert all(cell_len(line) <= 24 for line in found)
    assert "[bold]no" in found[3] and "\x1b" not in "".join(found)
