"""Settings and commands in messages of the core become flags and commands."""

import dataclasses
import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import RlmError, UsageError
from models.config import TrainingConfig
from models.planning.request import TrainRequest
from models.runs.events import NoticeGiven, RunFailed
from models.runs.run import Run
from models.settings import from_dict
from rlm_cli.app import app, main
from rlm_cli.output import Output
from rlm_cli.progress import JsonLines, PlainLines
from rlm_cli.wording import COMMANDS, SETTING_FLAGS, flag_of, in_cli_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Leave {model.d_model} out.", "Leave --d-model out."),
        ("{model.n_heads=4} fits", "--heads 4 fits"),
        ("{training.weight_decay=0.05}", "--set training.weight_decay=0.05"),
        ("{model.core_layers}", "--set model.core_layers"),
        ("{continue_run=RUN}, or {fresh}", "--continue RUN, or --fresh"),
        ("{training.minutes=5 name=owl}", "--minutes 5 --name owl"),
        ("{tokenizer=character}", "--tokenizer character"),
        ("{target_parameters=4M}", "--target-params 4M"),
        ("{ls}", "rlm ls"),
        ("{resume book}", "rlm resume book"),
        ("{recover-tokenizer book like=FILE}", "rlm recover-tokenizer book --like FILE"),
        ("{train FILE continue_run=book training.minutes=5}", "rlm train FILE --continue book --minutes 5"),
        ("{train task=sudoku:4x4}", "rlm train --task sudoku:4x4"),
        ("{resume 'my run'}", "rlm resume 'my run'"),
    ],
)
def test_braces_become_flags_and_commands(text: str, words: str) -> None:
    assert in_cli_words(text) == words


def test_a_run_is_named_so_that_the_line_works_when_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The core names it by its path. A run of the usual folder has a name that is enough."""
    monkeypatch.chdir(tmp_path)
    usual, other, odd = (Run(tmp_path / path) for path in ("runs/owl", "others/owl", "my {runs}/it's"))
    assert in_cli_words(f"{{resume {usual.in_command} text=FILE}}") == "rlm resume owl --text FILE"
    assert in_cli_words(f"{{resume {other.in_command}}}") == "rlm resume ./others/owl"
    assert in_cli_words(f"{{train FILE name={usual.in_command}}}") == "rlm train FILE --name owl"
    assert in_cli_words(f"{{train FILE name={other.in_command}}}") == (
        f"rlm train FILE --name owl --runs-dir {tmp_path / 'others'}"
    )
    assert in_cli_words(f"{{train FILE continue_run={other.in_command}}}") == (
        "rlm train FILE --continue ./others/owl"
    )
    words = in_cli_words(f"Go on: {{resume {odd.in_command}}}").removeprefix("Go on: ")
    assert shlex.split(words) == ["rlm", "resume", "./my {runs}/it's"]
    monkeypatch.setenv("RLM_RUNS_DIR", str(tmp_path / "others"))
    assert in_cli_words(f"{{resume {other.in_command}}}") == "rlm resume owl"


def test_a_command_repeats_the_folder_that_was_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my runs" / "owl").mkdir(parents=True)
    (tmp_path / "my runs" / "owl" / "config.json").write_text("{}")
    where = "--runs-dir 'my runs'"
    for arguments, hint in (
        (["show", "nothing", "--runs-dir", "my runs"], f"rlm ls {where}"),
        (["show", "--runs-dir", "my runs/none"], "rlm train FILE --runs-dir 'my runs/none'"),
        (["resume", "--runs-dir", "my runs/none"], "rlm train FILE --runs-dir 'my runs/none'"),
        (["ls", "--runs-dir", "my runs/none"], "rlm train FILE --runs-dir 'my runs/none'"),
        (["pause", "--runs-dir", "my runs"], f"rlm ls {where}"),
        (["create", "--runs-dir", "my runs"], f"rlm create tiny --preset hrm-4m {where}"),
        (["generate", "nothing", "--runs-dir", "my runs"], f"rlm generate {where} -p nothing"),
        (["solve", "owl", "--runs-dir", "my runs"], f"rlm solve {where} owl --random"),
    ):
        main(arguments)
        assert hint in capsys.readouterr().err, arguments
    path = Run(tmp_path / "my runs" / "owl").in_command
    assert in_cli_words(f"{{resume {path}}}") == "rlm resume './my runs/owl'"
    assert in_cli_words(f"{{train FILE name={path}}}") == (
        f"rlm train FILE --name owl --runs-dir '{tmp_path / 'my runs'}'"
    )
    main(["show", "nothing"])
    assert "rlm train FILE\n" in capsys.readouterr().err
    monkeypatch.setenv("RLM_RUNS_DIR", "my runs")
    main(["show", "nothing"])
    assert "All: rlm ls\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "{ }",
        "a{b}.txt",
        "{x=1}",
        "{run book}",
        "{model.D}",
        "{model.}",
        "{fresh news}",
        "{",
        "{{a}}",
        "é{ü}",
        "'{ls}' is not a run.",
        "No file '/tmp/{model.d_model}/a.txt'.",
    ],
)
def test_other_text_in_braces_stays(text: str) -> None:
    assert in_cli_words(text) == text


@given(st.text(alphabet=st.characters(exclude_characters="{")))
def test_text_without_braces_stays(text: str) -> None:
    assert in_cli_words(text) == text


def test_command_words_match_the_registered_commands() -> None:
    registered = {command.name or command.callback.__name__ for command in app.registered_commands}  # type: ignore[union-attr]
    groups = {str(group.name) for group in app.registered_groups}
    assert {name.replace("_", "-") for name in registered} | groups == COMMANDS


def test_every_flag_belongs_to_an_existing_field() -> None:
    assert flag_of("training.minutes") == "--minutes"
    training = {f"training.{field.name}" for field in dataclasses.fields(TrainingConfig)}
    assert {path for path in SETTING_FLAGS if path.startswith("training.")} <= training
    request = {field.name for field in dataclasses.fields(TrainRequest)}
    without_flag = {"paths", "overrides", "ambient", "guess_encoding", "for_absent_device", "processes"}
    assert all(flag_of(name) for name in request - without_flag)


def shown(error: RlmError, capsys: pytest.CaptureFixture[str]) -> str:
    Output().error(error)
    return capsys.readouterr().err


def test_error_names_a_setting_by_its_flag(capsys: pytest.CaptureFixture[str]) -> None:
    for values, message in (
        ({"batch_size": 0}, "error: --batch-size is 0; it must be at least 1.\n"),
        ({"batch_size": "x"}, "error: --batch-size is 'x', which is not a whole number.\n"),
        ({"beta2": 2.0}, "error: training.beta2 is 2.0; it must be 0 up to, not including, 1.\n"),
    ):
        with pytest.raises(UsageError) as caught:
            from_dict(TrainingConfig, values, "training")
        assert caught.value.field == f"training.{next(iter(values))}"
        assert shown(caught.value, capsys) == message


def test_hints_warnings_and_notices_are_worded(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(RlmError("It is gone.", hint="Go on: {resume owl}"), capsys).endswith(
        "Go on: rlm resume owl\n"
    )
    Output().warn("{halt} changes nothing.")
    notice = NoticeGiven(message="{tokenizer=bpe} takes those.")
    PlainLines(Output()).show(notice)
    JsonLines().show(notice)
    JsonLines().show(RunFailed(kind="RunError", message="It is {model.d_model}.", hint="Try {ls}."))
    out, err = capsys.readouterr()
    assert err == "warning: --halt changes nothing.\n--tokenizer bpe takes those.\n"
    assert '"message": "--tokenizer bpe takes those."' in out
    assert '"It is --d-model."' in out and '"Try rlm ls."' in out
