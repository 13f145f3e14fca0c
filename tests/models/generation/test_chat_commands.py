"""Lines are parsed as commands or as text."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import UsageError
from models.depth import MODES
from models.generation.chat_commands import COMMANDS, Command, complete, help_rows, parse_line
from models.generation.chat_settings import SETTING_COMMANDS, ChatSettings
from models.generation.settings import GenerationConfig


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("/mode deep", Command("mode", "deep")),
        ("mode deep", Command("mode", "deep")),
        ("/temp 0.8", Command("temp", 0.8)),
        ("temp 0.8", Command("temp", 0.8)),
        ("/temperature 1", Command("temp", 1.0)),
        ("topk 40", Command("topk", 40)),
        ("seed off", Command("seed", "off")),
        ("help", Command("help")),
        ("exit", Command("quit")),
        ("/q", Command("quit")),
        ("/system be kind ", Command("system", "be kind")),
        ("/compare two words", Command("compare", "two words")),
        ("/debug on", Command("debug", True)),
        ("/MODE Deep", Command("mode", "deep")),
    ],
)
def test_commands_with_and_without_the_slash(line: str, command: Command) -> None:
    assert parse_line(line) == command


@pytest.mark.parametrize(
    "line",
    [
        "mode of transport",
        "save the world",
        "help me",
        "system of a down",
        "compare apples and pears",
        "max power",
        "edit this",
        "Mode deep",
    ],
)
def test_text_that_only_resembles_a_command_is_text(line: str) -> None:
    assert parse_line(line) == line


@given(st.text())
def test_two_slashes_or_a_space_make_any_line_text(text: str) -> None:
    assert parse_line("//" + text) == "/" + text
    assert parse_line(" " + text) == " " + text


@given(st.text())
def test_every_line_is_text_a_command_or_a_usage_error(line: str) -> None:
    try:
        read = parse_line(line)
    except UsageError:
        return
    assert isinstance(read, Command) or read in (line, line[1:])


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("/mod deep", "/mode"),
        ("/mdoe deep", "/mode"),
        ("/tmep 1", "/temp"),
        ("/mode dep", "deep"),
        ("mode dep", "deep"),
    ],
)
def test_misspelled_command_suggests_the_nearest(line: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_line(line)
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize(
    "line",
    [
        "/temp 11",
        "temp 11",
        "temp -1",
        "/temp x",
        "/topk -1",
        "/topp 0",
        "/max 0",
        "/seed -1",
        "/undo it",
        "/debug x",
    ],
)
def test_a_value_out_of_range_is_refused(line: str) -> None:
    with pytest.raises(UsageError):
        parse_line(line)


@pytest.mark.parametrize("value", ["0", "0.05", "3", "10"])
def test_commands_take_what_the_flags_take(value: str) -> None:
    settings = ChatSettings().with_command(parse_line(f"/temp {value}"))
    assert settings.generation.temperature == GenerationConfig(temperature=float(value)).temperature


def test_every_agreed_command_exists() -> None:
    promised = (
        "mode temp topk topp penalty ngram seed max interactive batch natural unlimited status clear history "
        "retry undo edit continue system save load export copy compare debug help quit"
    )
    assert set(promised.split()) <= set(COMMANDS)
    assert len(help_rows()) == len(COMMANDS)
    assert ("/mode deep", "3x2") in complete("/mode d")
    assert [name for name, _ in complete("/te")] == ["/temp"]


@given(st.lists(st.sampled_from([
    "mode deep", "temp 0.5", "topk 7", "topp 0.5", "minp 0.1", "penalty 1.5", "ngram 3", "seed 4", "seed off",
    "max 9", "natural", "unlimited", "batch", "interactive",
])))  # fmt: skip
def test_settings_follow_the_commands_and_survive_json(lines: list[str]) -> None:
    settings = ChatSettings()
    for line in lines:
        command = parse_line(line)
        assert isinstance(command, Command)
        assert command.name in SETTING_COMMANDS
        settings = settings.with_command(command)
        assert str(command.value if command.value is not None else "").strip(".0") in settings.describe(
            command.name
        )
    assert ChatSettings.from_dict(settings.to_dict()) == settings
    assert settings.mode in MODES


def test_no_torch_is_imported() -> None:
    code = (
        "import sys, models.generation.chat_session, models.generation.conversation, rlm_cli.chat.line_chat,"
        " rlm_cli.chat.line_readers; sys.exit('torch' in sys.modules or 'prompt_toolkit' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
