"""`rlm train` and `rlm resume`: the request they make and how they end."""

import json
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from models.errors import DivergedError
from models.planning.request import Overrides, TrainRequest
from models.runs import events
from models.runs.events import Event
from models.runs.run import Run
from rlm_cli import training_session, watching
from rlm_cli.app import main
from rlm_cli.commands import tui as tui_command
from rlm_cli.exit_codes import ExitCode
from tests.models.runs.example_config import CREATED


class Core:
    """Replaces planner and trainer. Records the requests and ends as set."""

    def __init__(self, runs: Path) -> None:
        self.runs = runs
        self.requests: list[TrainRequest] = []
        self.extended: list[tuple[str, Any, Any]] = []
        self.trained: list[str] = []
        self.ending: Exception | str = "finished"
        self.planning_ends_with: BaseException | None = None
        self.started_at: float | None = None

    def plan(self, request: TrainRequest, runs_dir: Path, corpus: Any = None) -> Iterator[Event]:
        assert runs_dir == self.runs
        self.requests.append(request)
        yield events.PreparationAdvanced(stage="reading", done=1, total=1)
        if self.planning_ends_with is not None:
            raise self.planning_ends_with
        return self  # type: ignore[return-value]

    def rows(self) -> list[tuple[str, str]]:
        return [("parameters", "1,234")]

    def to_dict(self) -> dict[str, Any]:
        return {"parameters": 1234}

    def start(self) -> Run:
        run = Run.create("owl", self.runs)
        run.save_config(CREATED)
        return run

    def extend(self, run: Run, *, minutes: float | None = None, steps: int | None = None) -> None:
        self.extended.append((run.name, minutes, steps))

    def train(self, run: Run, control: Any, team: None) -> Iterator[Event]:
        self.trained.append(run.name)
        yield events.EvaluationAdvanced(step=0, done=1, total=1)
        if isinstance(self.ending, Exception):
            raise self.ending
        if self.ending == "paused":
            yield events.RunPaused(step=5, total_steps=9, path=str(run.path))
        else:
            yield events.RunFinished(
                run=run.name, reason="steps", step=9, best_step=9, validation_loss=1.25,
                validation_loss_by_mode={"fast": 1.5, "normal": 1.25}, perplexity=3.5, bits_per_byte=1.8,
                parameters=1234, tokens_seen=90, tokens_per_second=10.0, elapsed_s=9.0, path=str(run.path),
            )  # fmt: skip


@pytest.fixture
def core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Core:
    core = Core(tmp_path / "runs")
    plan, trainer, extending = (
        ModuleType(f"models.{name}") for name in ("planning.plan", "training.trainer", "planning.extend")
    )
    plan.__dict__.update(plan=core.plan)
    trainer.__dict__.update(train=core.train)
    extending.__dict__.update(extend=core.extend)
    for module in (plan, trainer, extending):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setenv("RLM_RUNS_DIR", str(core.runs))
    return core


def test_settings_not_given_are_not_in_the_request(core: Core) -> None:
    assert main(["train", "a.txt", "b"]) == 0
    assert core.requests == [TrainRequest(paths=("a.txt", "b"))]


def test_every_flag_reaches_the_planner(core: Core) -> None:
    typed = (
        "train - --name owl --minutes 2 --target-loss 1.2 --patience 3 --preset p --arch hrm --d-model 64 "
        "--heads 4 --context 32 --tokenizer bpe --vocab-size 512 --batch-size 8 --optimizer adamw --seed 7 "
        "--device cpu --number-format float32 --threads 2 --set training.weight_decay=0.1 "
        "--continue fox --replay 0.1 --grow-vocab 5 --grow-every 300 --grow-by 100"
    )
    assert main(typed.split()) == 0
    assert core.requests == [
        TrainRequest(
            paths=("-",), name="owl", preset="p", tokenizer="bpe", continue_run="fox", replay=0.1,
            grow_vocab=5,
            overrides=Overrides({
                "training.minutes": 2.0, "training.target_loss": 1.2, "training.patience": 3,
                "model.architecture": "hrm", "model.d_model": 64, "model.n_heads": 4,
                "model.context_length": 32, "model.vocab_size": 512, "training.batch_size": 8,
                "training.optimizer": "adamw", "training.seed": 7, "training.device": "cpu",
                "training.number_format": "float32", "training.threads": 2, "training.weight_decay": 0.1,
                "training.grow_every": 300, "training.grow_by": 100,
            }),
        )
    ]  # fmt: skip


def test_dry_run_prints_the_plan_only(core: Core, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "a.txt", "--dry-run"]) == 0
    assert capsys.readouterr().out == "parameters  1,234\n"
    assert main(["train", "a.txt", "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"parameters": 1234}  # and no event before it
    assert core.trained == []
    assert not core.runs.exists()


def test_plan_goes_to_stderr_before_the_training(core: Core, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "a.txt"]) == 0
    out, err = capsys.readouterr()
    assert "parameters  1,234" in err
    assert "1.2500 nats per token" in out
    assert "fast 1.5000   normal 1.2500" in out
    assert "rlm chat owl" in err


def test_json_prints_events_up_to_the_last(core: Core, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "a.txt", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["event"] for line in lines] == [
        "preparation_advanced", "evaluation_advanced", "run_finished",
    ]  # fmt: skip
    assert lines[-1]["validation_loss_by_mode"] == {"fast": 1.5, "normal": 1.25}


def test_quiet_prints_only_the_result(core: Core, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "a.txt", "--quiet"]) == 0
    out, err = capsys.readouterr()
    assert "1.2500" in out
    assert err == ""


def test_pause_shows_how_to_continue(core: Core, capsys: pytest.CaptureFixture[str]) -> None:
    core.ending = "paused"
    assert main(["train", "a.txt"]) == 130
    out, err = capsys.readouterr()
    assert out == ""
    assert "Paused at step 5 of 9" in err
    assert "rlm resume owl" in err


def test_divergence_has_its_own_exit_code(core: Core) -> None:
    core.ending = DivergedError("Training diverged.", hint="Lower the rate.")
    assert main(["train", "a.txt"]) == 3


def test_run_is_resumed_by_name_and_extended(core: Core) -> None:
    core.start()
    assert main(["resume", "owl"]) == 0
    assert core.extended == []
    assert main(["resume", "owl", "--minutes", "1.5"]) == 0
    assert main(["resume", "owl", "--steps", "20"]) == 0
    assert core.extended == [("owl", 1.5, None), ("owl", None, 20)]
    assert core.trained == ["owl"] * 3


def test_environment_minutes_do_not_extend_a_resumed_run(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    core.start()
    monkeypatch.setenv("RLM_MINUTES", "5")
    assert main(["resume", "owl"]) == 0
    assert core.extended == []


def test_ctrl_c_before_the_run_exists_is_reported(core: Core, capsys: pytest.CaptureFixture[str]) -> None:
    core.planning_ends_with = KeyboardInterrupt()
    assert main(["train", "a.txt"]) == 130
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-1] == "Stopped. Nothing was created."
    assert core.trained == [] and not core.runs.exists()


def test_typed_length_setting_wins_over_the_environment(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RLM_MINUTES", "5")
    assert main(["train", "a.txt", "--set", "training.steps=3"]) == 0
    assert core.requests == [TrainRequest(paths=("a.txt",), overrides=Overrides({"training.steps": 3}))]
    assert main(["train", "a.txt", "--steps", "4", "--set", "training.steps=3"]) == 2


@pytest.fixture
def followed(core: Core, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What was started in the background and shown in the application, on a terminal."""
    done: list[object] = []

    def start(
        run: Run, output: object, began_at: float | None = None, processes: int = 1, **_: object
    ) -> int:
        done.append(f"{run.name} trains")
        return 1 if run.name == "ill" else 0

    monkeypatch.setattr(tui_command, "is_terminal", lambda stream: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(watching, "train_detached", start)
    monkeypatch.setattr(tui_command, "open_application", lambda folder, run: done.append((folder, run)))
    return done


def test_a_training_is_followed_in_the_application(core: Core, followed: list[object]) -> None:
    assert main(["train", "a.txt", "--tui"]) == 0
    owl = core.runs / "owl"
    assert followed == ["owl trains", (core.runs, owl)] and core.trained == []
    assert main(["resume", "owl", "--minutes", "3", "--tui"]) == 0
    assert followed[2:] == ["owl trains", (core.runs, owl)] and core.extended == [("owl", 3.0, None)]


def test_a_training_that_does_not_start_opens_no_application(core: Core, followed: list[object]) -> None:
    Run.create("ill", core.runs).save_config(CREATED)
    assert main(["resume", "ill", "--minutes", "3", "--tui"]) == 1
    assert followed == ["ill trains"]


@pytest.mark.parametrize("words", [["train", "my book.txt"], ["resume", "owl"]])
def test_without_a_terminal_nothing_starts_and_the_plain_command_is_named(
    core: Core, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    core.start()
    assert main([*words, "--tui"]) == ExitCode.USAGE
    error = capsys.readouterr().err
    assert "needs a terminal" in error and f"rlm {shlex.join(words)}" in error
    assert core.requests == [] and core.extended == []


@pytest.mark.parametrize("flag", ["--json", "--quiet", "--dry-run"])
def test_the_application_excludes_other_forms_of_output(
    core: Core, followed: list[object], flag: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "a.txt", "--tui", flag]) == ExitCode.USAGE
    assert f"--tui and {flag} exclude each other" in capsys.readouterr().err and core.requests == []


@pytest.fixture
def began(monkeypatch: pytest.MonkeyPatch) -> list[float | None]:
    """The moments from which the minutes of trainings count; none of them is trained."""
    moments: list[float | None] = []

    def follow(run: Run, output: object, began_at: float | None = None, team: object = None) -> ExitCode:
        moments.append(began_at)
        return ExitCode.OK

    monkeypatch.setattr(training_session, "follow_training", follow)
    return moments


def test_the_minutes_count_from_the_start_of_the_process(
    core: Core, began: list[float | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loading torch takes a second, which belongs to them; of a plan without minutes of its own, none do."""
    monkeypatch.setattr("rlm_cli.commands.train.seconds_since_start", lambda: 2.5)
    for core.started_at in (1000.0, None):
        assert main(["train", "a.txt", "--name", "owl"]) == 0
        shutil.rmtree(core.runs / "owl")
    assert began == [997.5, None]


def test_new_minutes_of_a_run_count_from_the_start_of_the_process(
    core: Core, began: list[float | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left of earlier minutes counts from the moment in which the training goes on."""
    monkeypatch.setattr("rlm_cli.commands.resume.seconds_since_start", lambda: 2.5)
    monkeypatch.setattr("rlm_cli.commands.resume.time", SimpleNamespace(time=lambda: 1000.0))
    core.start()
    for words in ([], ["--steps", "3"], ["--minutes", "1"]):
        assert main(["resume", "owl", *words]) == 0
    assert began == [None, None, 997.5]
