"""Registration of the commands, and error messages."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from data.errors import CorpusError, RlmError, StorageError, UsageError
from models.errors import DivergedError, RunBusyError
from rlm_cli import app as app_module
from rlm_cli.app import app, main
from rlm_cli.exit_codes import ExitCode, exit_code_of

COMMANDS = (
    "train", "resume", "create", "expand", "chat", "generate", "solve", "serve", "watch", "pause", "stop",
    "save", "sample", "ls", "show", "plot", "analyze", "trace", "verify", "doctor", "recover-tokenizer",
    "export", "import", "copy", "rename", "rm", "tui",
)  # fmt: skip


def test_help_shows_every_command_in_a_panel(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    for panel in (app_module.MAKE, app_module.USE, app_module.CONTROL, app_module.LOOK):
        assert f"╭─ {panel} ─" in shown
    for command in COMMANDS:
        assert re.search(rf"^│ {command} ", shown, re.MULTILINE)


def test_no_arguments_show_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "Usage: rlm" in capsys.readouterr().out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_shows_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    shown = capsys.readouterr().out
    assert "Examples:" in shown
    examples = [line.rstrip() for line in shown.partition("Examples:")[2].partition("╭")[0].split("\n")[1:]]
    for example in filter(None, examples):
        assert example.startswith("   ") and f"rlm {command}" in example, example
        words = list(shlex.shlex(example, punctuation_chars=True))
        piped_to = [words[place + 1] for place, word in enumerate(words) if word.startswith("|")]
        assert all(word == "rlm" for word in piped_to), "a shell would take it for a pipe"
    assert not set(shown) & {"\b", "\x1b"}


def test_help_and_completion_list_every_architecture(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from models.architectures import ARCHITECTURES
    from rlm_cli.completion import complete_architectures

    monkeypatch.setenv("COLUMNS", "200")
    assert main(["train", "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    names = [name.replace("_", "-") for name in ARCHITECTURES]
    assert f"{', '.join(names[:-1])} or {names[-1]}." in shown
    assert complete_architectures("") == sorted(names)
    assert complete_architectures("recursive_r") == ["recursive-router"]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("wrong"), 2),
        (DivergedError("lost"), 3),
        (RunBusyError("busy"), 1),
        (CorpusError("empty"), 1),
        (StorageError("full"), 1),
        (RlmError("any"), 1),
    ],
)
def test_core_error_prints_its_message_and_sets_the_exit_code(
    error: RlmError, code: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(**_: object) -> None:
        raise error

    assert exit_code_of(error) == code
    monkeypatch.setattr(app_module, "app", failing)
    assert main([]) == code
    out, err = capsys.readouterr()
    assert (out, err) == ("", f"error: {error.message}\n")


def test_unexpected_exceptions_pass_through(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(**_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(app_module, "app", failing)
    with pytest.raises(ZeroDivisionError):
        main([])


def test_ctrl_c_without_a_training_sets_the_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    probe = typer.Typer()
    probe.command()(interrupted)
    monkeypatch.setattr(app_module, "app", probe)
    assert main([]) == ExitCode.PAUSED


@pytest.mark.parametrize("typed", ["train-plan", "train-rum"])
def test_a_hidden_command_is_not_suggested(typed: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([typed]) == ExitCode.USAGE
    err = capsys.readouterr().err
    assert "No such command" in err
    assert "train-plans" not in err and "train-run" not in err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["trian"], "Did you mean 'train'"),
        (["ls", "--jsno"], "--json"),
        (["train"], "Missing argument"),
        (["train", "x.txt", "--steps", "many"], "--steps"),
        (["train", "x.txt", "--steps", "1", "--minutes", "1"], "exclude each other"),
        (["train", "x.txt", "--set", "nonsense"], "section.field=value"),
        (["create"], "needs a name"),
        (["resume", "owl", "--minutes", "1", "--steps", "1"], "exclude each other"),
        (["show", "\x1b[31mowl"], "owl"),
    ],
)
def test_usage_mistake_gives_one_line_and_a_hint(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == ExitCode.USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert expected in err
    assert err.startswith("error: ")
    assert len(err.splitlines()) <= 2
    assert "\x1b" not in err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("rlm ")


def test_help_listing_and_completion_import_no_torch(rlm) -> None:
    """Help, listing and completion start without torch."""
    script = (
        "import sys\n"
        "from rlm_cli.app import main\n"
        "try:\n"
        "    main(sys.argv[1:])\n"
        "finally:\n"
        "    slow = ('torch', 'textual', *(['models.planning.request'] if '--help' in sys.argv else []))\n"
        "    sys.stderr.write('\\nslow: ' + ','.join(m for m in slow if m in sys.modules))\n"
    )
    root = Path(app_module.__file__).parent.parent
    completion = {"_RLM_COMPLETE": "complete_bash", "COMP_WORDS": "rlm show ", "COMP_CWORD": "2"}
    for arguments, extra in ((["--help"], {}), (["ls"], {}), (["create", "--list"], {}), ([], completion)):
        done = subprocess.run(
            [sys.executable, "-c", script, *arguments],
            cwd=root, env={**os.environ, **extra}, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.stderr.endswith("slow: "), (arguments, done.stderr)


def test_terminating_a_command_ends_with_143(tmp_path: Path) -> None:
    root = Path(app_module.__file__).parent.parent
    script = (
        "import time, rlm_cli.app, rlm_cli.__main__ as start\n"
        "rlm_cli.app.main = lambda: (print('up', flush=True), [time.sleep(0.1) for _ in range(600)])\n"
        "start.main()"
    )
    process = subprocess.Popen([sys.executable, "-c", script], cwd=root, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == ExitCode.TERMINATED


def test_registered_commands_are_complete() -> None:
    shown = [info.callback for info in app.registered_commands if not info.hidden]
    assert {function.__name__.removesuffix("_") for function in shown if function} == {
        command.replace("-", "_") for command in COMMANDS
    }


def test_json_is_one_value(rlm) -> None:
    assert json.loads(rlm("ls", "--json").stdout) == []


def test_presets_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["create", "--list", "--json"]) == 0
    names = {preset["name"] for preset in json.loads(capsys.readouterr().out)}
    assert names >= {"hrm-4m", "nanogpt-cpu"}


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_no_types_and_ranges(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    assert not re.search(r"<\w+>|<list|\[\S*x[<>]=?", capsys.readouterr().out)


def test_help_does_not_remove_the_range_check() -> None:
    assert main(["train", "--help"]) == 0
    assert main(["train", "x.txt", "--steps", "0"]) == ExitCode.USAGE
