"""Results go to stdout, remarks to stderr, and control characters are replaced."""

import io
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import RlmError
from rlm_cli import output as output_module
from rlm_cli.output import Form, Output

HOSTILE = "\x1b]0;owned\x07[bold red]x[/] \x9b31m \u202e :smile:"


def test_human_results_go_to_stdout_and_remarks_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    sink = Output()
    sink.result("the result")
    sink.json({"not": "shown"})
    sink.say("a remark")
    sink.pairs([("name", "value")])
    sink.pairs([("plan", "shown")], to_stderr=True)
    out, err = capsys.readouterr()
    assert out == "the result\nname  value\n"
    assert err == "a remark\nplan  shown\n"


def test_json_leaves_nothing_else_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    sink = Output(Form.JSON)
    sink.result("text")
    sink.table(("a",), [("b",)])
    sink.pairs([("a", "b")])
    sink.json({"value": "ß", "rows": ({"loss": math.nan}, [math.inf, 1.5])})
    out, _ = capsys.readouterr()
    assert out.isascii()
    assert json.loads(out) == {"value": "ß", "rows": [{"loss": None}, [None, 1.5]]}


def test_quiet_keeps_the_result_and_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    sink = Output(Form.QUIET)
    sink.result("text")
    sink.say("remark")
    sink.pairs([("plan", "hidden")], to_stderr=True)
    sink.warn("careful")
    out, err = capsys.readouterr()
    assert out == "text\n"
    assert err == "warning: careful\n"


def test_error_prints_message_and_hint(capsys: pytest.CaptureFixture[str]) -> None:
    Output().error(RlmError("It broke [bold]here[/].", hint="Mend it."))
    out, err = capsys.readouterr()
    assert (out, err) == ("", "error: It broke [bold]here[/].\nMend it.\n")


def test_control_characters_and_markup_have_no_effect(capsys: pytest.CaptureFixture[str]) -> None:
    sink = Output()
    sink.result(HOSTILE)
    sink.table(("column " + HOSTILE,), [(HOSTILE,)])
    sink.say(HOSTILE)
    sink.error(RlmError(HOSTILE, hint=HOSTILE))
    out, err = capsys.readouterr()
    for text in (out, err):
        assert not set(text) & {"\x1b", "\x07", "\x9b", "\u202e"}
        assert "[bold red]x[/]" in text
        assert ":smile:" in text


def test_exact_text_is_exact_in_a_pipe_and_safe_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Output().result(HOSTILE, exact=True)
    assert capsys.readouterr().out == HOSTILE + "\n"
    monkeypatch.setattr(output_module, "stdout_is_terminal", lambda: True)
    Output().result(HOSTILE, exact=True)
    assert "\x1b" not in capsys.readouterr().out


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1), min_size=1))
def test_piped_tables_are_never_wrapped(cells: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        stream = io.StringIO()
        patch.setattr("sys.stdout", stream)
        Output().table(["c"] * len(cells), [cells])
    lines = stream.getvalue().split("\n")
    assert len(lines) == 3
    assert lines[2] == ""


COLUMNS = ("name", "status", "size", "text")
NAMES = ("owl", "a-name-of-forty-characters-and-even-more")


def lines_at(width: int, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The lines of a table on a terminal of this width."""
    stream = io.StringIO()
    monkeypatch.setattr("sys.stdout", stream)
    sink = Output()
    sink.stdout.width = width
    sink.table(COLUMNS, [(name, "paused", "1,234", "tale") for name in NAMES], optional=("text", "size"))
    return stream.getvalue().splitlines()


@pytest.mark.parametrize(
    ("width", "left"), [(80, COLUMNS), (43, COLUMNS), (38, COLUMNS[:3]), (30, COLUMNS[:2]), (16, COLUMNS[:2])]
)
def test_narrow_terminal_drops_columns_but_keeps_names(
    monkeypatch: pytest.MonkeyPatch, width: int, left: tuple[str, ...]
) -> None:
    lines = lines_at(width, monkeypatch)
    assert tuple(lines[0].split()) == left
    assert all(len(line) <= width for line in lines)
    names = "".join(line.split("  ")[0].strip() for line in lines[1:])
    assert names == "".join(NAMES)


def test_figures_are_not_cut_where_a_table_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    stream, losses = io.StringIO(), ("4.2427", "4.2415", "4.2402", "1,097.6", "675.25")
    monkeypatch.setattr("sys.stdout", stream)
    sink = Output()
    sink.stdout.width = 30
    sink.table(("mode", "loss", "gains", "spread", "block passes", "us per token"), [("normal", *losses)])
    row = stream.getvalue().splitlines()[1]
    assert row.split() == ["normal", *losses]


def test_words_are_whole_where_a_table_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr("sys.stdout", stream)
    sink = Output()
    sink.stdout.width = 30
    sink.table(("difficulty", "right", "right, leaving early"), [("12 factors", "80.0%", "79.0%")])
    assert stream.getvalue().splitlines()[1].split() == ["12", "factors", "80.0%", "79.0%"]


@pytest.mark.parametrize("width", [80, 40, 20])
def test_a_value_longer_than_the_terminal_is_wrapped_and_never_cut(
    monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    stream, path = io.StringIO(), "/home/ada/" + "a-long-name-of-a-folder/" * 4 + "runs/owl"
    monkeypatch.setattr("sys.stdout", stream)
    sink = Output()
    sink.stdout.width = width
    sink.pairs([("run", "owl"), ("folder", path), ("trained on", "two words")])
    lines = stream.getvalue().splitlines()
    assert all(len(line) <= width for line in lines)
    values = [line[len("trained on  ") :] for line in lines]
    assert "".join(values[1:-1]) == path if width > 20 else "…" not in stream.getvalue()


def test_question_goes_to_stderr_even_when_quiet(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(" yes \n"))
    sink = Output(Form.QUIET)
    assert sink.ask("Sure?") == "yes"
    assert sink.ask("Sure?") is None
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Sure? ")


@pytest.mark.parametrize(("form", "is_terminal", "shown"), [
    (Form.HUMAN, True, True), (Form.JSON, True, True), (Form.QUIET, True, False), (Form.HUMAN, False, False),
])  # fmt: skip
def test_a_passing_remark_is_erased_even_after_an_error(
    capsys, monkeypatch, form, is_terminal, shown
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(output_module, "stderr_is_terminal", lambda: is_terminal)
    with pytest.raises(KeyboardInterrupt), Output(form).passing("Loading …"):
        assert ("Loading …" in capsys.readouterr().err) == shown
        raise KeyboardInterrupt
    assert capsys.readouterr() == ("", "\r\x1b[2K" if shown else "")
