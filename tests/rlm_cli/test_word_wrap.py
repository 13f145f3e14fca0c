"""Words that are wrapped while they are written."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from rlm_cli.output import Output
from rlm_cli.word_wrap import WordWrap

TEXT = st.text("aé bc\n漢語。x", max_size=120)


def screen(written: str) -> list[str]:
    """The lines a terminal shows. It knows the sequences for going back and erasing."""
    lines = [""]
    for part in re.findall(r"\x1b\[\d+D\x1b\[K|\n|[^\x1b\n]+", written):
        if part == "\n":
            lines.append("")
        elif part.startswith("\x1b"):
            cells = int(part[2 : part.index("D")])
            kept = cell_len(lines[-1]) - cells
            while cell_len(lines[-1]) > kept:
                lines[-1] = lines[-1][:-1]
        else:
            lines[-1] += part
    return lines


@settings(max_examples=50)
@given(st.lists(TEXT, max_size=12), st.integers(3, 30))
def test_lines_fit_and_words_stay_whole(pieces: list[str], width: int) -> None:
    wrap = WordWrap(lambda: width)
    shown = screen("".join(wrap.push(piece) for piece in pieces))
    text = "".join(pieces)
    assert all(cell_len(line) < width for line in shown)
    assert "".join("".join(shown).split()) == "".join(text.split())
    words = {word for line in shown for word in line.split()}
    for word in text.split():
        if re.fullmatch(r"[abc]+", word) and len(word) < width:
            assert word in words


def test_pieces_do_not_change_the_result() -> None:
    text = "The fox said that it was a very long way to the river.\n\nThen it went."
    whole, single = WordWrap(lambda: 20), WordWrap(lambda: 20)
    lines = screen(whole.push(text))
    assert lines == screen("".join(map(single.push, text)))
    assert [line.rstrip() for line in lines[:3]] == [
        "The fox said that",
        "it was a very long",
        "way to the river.",
    ]


def test_a_tab_goes_to_the_next_stop() -> None:
    assert WordWrap(lambda: 12).push("ab\tcd\tef gh") == "ab\tcd\nef gh"


def test_a_file_gets_the_text_unchanged(capsys) -> None:
    Output().result_writer()("word " * 40)
    assert capsys.readouterr().out == "word " * 40


def test_a_terminal_gets_wrapped_and_safe_text(monkeypatch, capsys) -> None:
    monkeypatch.setattr("rlm_cli.output.stdout_is_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("TERM", "xterm")
    write = Output().result_writer()
    for piece in ("one two\x1b three", " four fi", "ve six"):
        write(piece)
    assert screen(capsys.readouterr().out) == ["one two␛ three four", "five six"]
