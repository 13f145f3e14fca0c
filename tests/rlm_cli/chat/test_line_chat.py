"""Every chat command, typed by a scripted user."""

import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prompt_toolkit.key_binding import KeyPress

from models.depth import MODES
from models.generation.chat_commands import COMMANDS
from models.generation.chat_session import ChatSession
from models.generation.conversation import ConversationStore
from models.generation.generate import GeneratedToken
from rlm_cli.__main__ import exit_at_signal
from rlm_cli.chat.answer_view import AnswerView
from rlm_cli.chat.line_chat import wrap_text
from tests.rlm_cli.chat.scripted_user import roles


def test_conversation_is_answered_and_saved(chat, capsys) -> None:
    line_chat = chat("once upon", "", "and then", "quit", "not read")
    assert roles(line_chat) == "uaua"
    out, err = capsys.readouterr()
    answers = [turn.content for turn in line_chat.session.conversation.turns if turn.role == "assistant"]
    assert out == "".join(answer if answer.endswith("\n") else answer + "\n" for answer in answers)
    assert err.count("tokens/s · normal · length limit") == 2
    assert line_chat.session.store.load("first") == line_chat.session.conversation
    assert line_chat.reader.lines == ["not read"]


def test_every_command_runs_without_error(chat, capsys) -> None:
    assert {name for name in COMMANDS if name not in _EVERY} == set()
    line_chat = chat("hello", *(line for lines in _EVERY.values() for line in lines), "quit")
    err = capsys.readouterr().err
    assert "error" not in err
    assert line_chat.session.settings.mode == "deep"


_EVERY = {
    "mode": ("mode deep", "mode"),
    "temp": ("/temp 0.5", "temp"),
    "halt": ("/halt on", "/halt 0.7", "/halt off", "halt"),
    "topk": ("topk 5",),
    "topp": ("topp 0.9",),
    "minp": ("minp 0.01",),
    "penalty": ("penalty 1.1",),
    "ngram": ("ngram 4",),
    "seed": ("seed off", "seed 5"),
    "interactive": ("interactive",),
    "batch": ("batch", "hi there"),
    "natural": ("natural", "hi again"),
    "unlimited": ("unlimited",),
    "max": ("max 5",),
    "status": ("status",),
    "history": ("history",),
    "retry": ("retry",),
    "edit": ("/edit changed", "/edit", "changed again"),
    "continue": ("continue",),
    "system": ("system",),
    "save": ("/save mine",),
    "load": ("/load", "/load mine"),
    "export": ("/export md", "/export jsonl"),
    "copy": (),  # depends on the machine; has its own test
    "compare": ("/compare abc", "compare"),
    "debug": ("debug on", "hello", "debug off"),
    "undo": ("undo",),
    "clear": ("clear",),
    "help": ("help",),
    "quit": (),
}


@pytest.mark.parametrize(
    "line",
    ["/nonsense", "/", "/temp 11", "mode dep", "/retry", "/undo", "/continue", "/edit", "/copy", "/export",
     "/load nothing", "/load ../x", "/save ../x", "/compare", "/system be kind"],
)  # fmt: skip
def test_error_in_a_command_does_not_end_the_chat(chat, capsys, line: str) -> None:
    line_chat = chat(line, "hello")
    assert capsys.readouterr().err.count("error:") == 1
    assert roles(line_chat) == "ua"


def test_turns_can_be_removed_and_answered_again(chat) -> None:
    line_chat = chat("one", "two", "/retry", "/continue", "/undo", "/edit three")
    assert [turn.content for turn in line_chat.session.conversation.turns if turn.role == "user"] == ["three"]
    assert roles(line_chat) == "ua"
    assert line_chat.session.conversation.exchanges == 1


def test_status_counts_exchanges(chat, capsys) -> None:
    chat("one", "two", "/status")
    assert ["exchanges", "2"] in [line.split() for line in "".join(capsys.readouterr()).splitlines()]


def test_last_message_can_be_edited(chat) -> None:
    line_chat = chat("one", "edit", "one more")
    assert line_chat.reader.defaults[2] == "one"
    assert line_chat.session.conversation.last("user") == "one more"


def test_control_c_leaves_only_when_pressed_twice(chat, capsys) -> None:
    line_chat = chat(KeyboardInterrupt, "hello", KeyboardInterrupt, KeyboardInterrupt, "not read")
    assert roles(line_chat) == "ua"
    assert line_chat.reader.lines == ["not read"]
    assert capsys.readouterr().err.count("again") == 2


def test_comparing_shows_every_mode_and_saves_nothing(chat, capsys) -> None:
    line_chat = chat("hello", "compare")
    out = capsys.readouterr().out
    assert [line for line in out.splitlines() if line.startswith("--- ")] == [
        f"--- {mode} {depth} ---" for mode, depth in MODES.items()
    ]
    assert roles(line_chat) == "ua"
    normal = out.split("--- normal 2x2 ---\n")[1].split("\n---")[0]
    assert normal.rstrip("\n") == line_chat.session.conversation.last("assistant").rstrip("\n")


def test_debug_shows_id_text_probability_and_passes(chat, capsys) -> None:
    line_chat = chat("/debug", "/max 3", "abc")
    err = capsys.readouterr().err
    lines = [line for line in err.splitlines() if " p 0." in line or " p 1." in line]
    assert len(lines) == 3
    assert all(line.split()[0].isdigit() and "passes 2" in line for line in lines)
    assert line_chat.session.stats.tokens == 3


def test_independent_messages_get_the_same_answer(chat, capsys) -> None:
    line_chat = chat("abc", "abc", independent=True)
    out = capsys.readouterr().out
    assert out[: len(out) // 2] == out[len(out) // 2 :]
    assert roles(line_chat) == "ua"


@pytest.mark.parametrize("command", ["/continue", "/retry"])
def test_refused_command_prints_nothing_to_stdout(chat, capsys, command: str) -> None:
    chat(command)
    assert capsys.readouterr().out == ""


def test_comparing_names_modes_beyond_training(chat, capsys) -> None:
    chat("/compare abc")
    assert "Deeper than the model was trained: thorough, extreme." in capsys.readouterr().err


@given(st.text("ab ·\n", max_size=80), st.integers(2, 20))
def test_wrapped_text_fits_and_keeps_its_words(text: str, width: int) -> None:
    shown = wrap_text(text, width)
    assert all(len(line) <= width for line in shown.split("\n"))
    assert "".join(shown.split()) == "".join(text.split())


def test_escape_sequences_are_replaced_on_a_terminal_and_exact_in_a_pipe(
    chat, trained, capsys, monkeypatch
) -> None:
    def control_characters(*arguments, **more):
        yield GeneratedToken(0, 20, "a\x1b]0;owned\x07b", 1.0, 2.0, "length")

    monkeypatch.setattr("models.generation.generate.generate", control_characters)
    chat("say it")
    assert capsys.readouterr().out == "a\x1b]0;owned\x07b\n"
    monkeypatch.setattr("rlm_cli.output.stdout_is_terminal", lambda: True)
    chat("say \x1b[31mit", "/history", "/debug", "again", "/retry")
    captured = capsys.readouterr()
    assert "\x1b" not in captured.out + captured.err
    assert "a␛]0;owned␇b" in captured.out


def test_unknown_characters_give_a_note(chat, capsys) -> None:
    chat("naïve e\u0301\u200d")
    err = " ".join(capsys.readouterr().err.split())
    listed = "'ï' (U+00EF), U+0301 COMBINING ACUTE ACCENT, U+200D ZERO WIDTH JOINER"
    assert f"{listed} were not in the training text" in err


def test_keys_typed_while_comparing_are_kept_for_the_input_line(chat, monkeypatch) -> None:
    show = AnswerView.show

    def show_and_type(self, *arguments):
        stopped = show(self, *arguments)
        self.typed = [KeyPress("x")]
        return stopped

    monkeypatch.setattr(AnswerView, "show", show_and_type)
    assert chat("/compare abc").reader.kept == [KeyPress("x")] * len(MODES)


def test_closed_window_keeps_the_answer(chat, trained, monkeypatch) -> None:
    def close_the_window(*arguments, **more):
        yield GeneratedToken(0, 20, "so far", 1.0, 2.0, None)
        signal.raise_signal(signal.SIGHUP)
        yield GeneratedToken(0, 20, " too late", 1.0, 2.0, None)

    save = ChatSession.save

    def save_at_a_second_signal(self) -> None:
        if len(self.conversation.turns) == 2:
            signal.raise_signal(signal.SIGHUP)
        save(self)

    before = {number: signal.signal(number, exit_at_signal) for number in (signal.SIGHUP, signal.SIGTERM)}
    monkeypatch.setattr("models.generation.generate.generate", close_the_window)
    monkeypatch.setattr(ChatSession, "save", save_at_a_second_signal)
    try:
        with pytest.raises(SystemExit):
            chat("hello")
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    saved = ConversationStore(trained.run.path / "conversations").load("first")
    assert saved.last("assistant") == "so far"


def test_saved_conversations_are_listed_with_a_preview(chat, trained, capsys) -> None:
    chat("the fox\nand the crow", "/save talk", "/clear")
    (trained.run.path / "conversations" / "broken.json").write_text("{")
    capsys.readouterr()
    line_chat = chat("/load")
    lines = capsys.readouterr().err.splitlines()
    assert ["talk", "1", "exchange:", *["the", "fox", "and", "the", "crow"]] in [
        line.split() for line in lines
    ]
    assert any(line.split() == ["broken", "cannot", "be", "read"] for line in lines)
    assert roles(line_chat) == ""


def test_a_bare_mode_is_a_command_and_says_so(chat, capsys) -> None:
    line_chat = chat("deep", " fast")
    assert line_chat.session.settings.mode == "deep"
    assert [turn.content for turn in line_chat.session.conversation.turns][:1] == [" fast"]
    assert "begins with a space is sent as text" in " ".join(capsys.readouterr().err.split())
