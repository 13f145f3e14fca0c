"""Input of the terminal: what is pasted presses no key."""

import itertools

from hypothesis import given
from hypothesis import strategies as st
from textual import events
from textual._xterm_parser import XTermParser
from textual.drivers import headless_driver

from tui import terminal_input
from tui.terminal_input import PasteGuard

PASTED = "one\x1b[31m d\x1b\x1b[200~ y\x1b"
INPUT = f"k\x1b[A\x1b[200~{PASTED}\x1b[201~d\x1b"
READ = INPUT.replace(PASTED, PASTED.replace("\x1b", "␛"))


@given(cuts=st.lists(st.integers(0, len(INPUT))))
def test_escapes_within_a_paste_are_shown_however_the_input_is_cut(cuts: list[int]) -> None:
    ends = [0, *sorted(cuts), len(INPUT)]
    guard = PasteGuard()
    taken = [guard.take(INPUT[low:high]) for low, high in itertools.pairwise(ends)]
    assert "".join(taken) == READ


def test_a_driver_reads_its_input_through_the_guard(monkeypatch) -> None:
    monkeypatch.setattr(headless_driver, "XTermParser", XTermParser, raising=False)
    monkeypatch.setattr(headless_driver, "getincrementaldecoder", None, raising=False)
    terminal_input.guard_input(headless_driver.HeadlessDriver)
    terminal_input.guard_input(headless_driver.HeadlessDriver)
    parser = headless_driver.XTermParser(False)  # type: ignore[attr-defined]
    found = list(parser.feed("k\x1b[200~one \x1b[31m d\x1b")) + list(parser.feed("[201~y"))
    assert [type(one) for one in found] == [events.Key, events.Paste, events.Key]
    assert found[1].text == "one ␛[31m d"
    decoder = headless_driver.getincrementaldecoder("utf-8")()  # type: ignore[attr-defined]
    assert decoder.decode(b"a\xff\xc3") + decoder.decode(b"\xa9") == "a\N{REPLACEMENT CHARACTER}é"
