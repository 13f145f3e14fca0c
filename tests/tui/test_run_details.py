"""What the dashboard tells beside the curves: what happened, samples by prompt, the machine, the settings."""

import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from textual.pilot import Pilot

from models.runs.evaluation import Evaluation
from models.runs.events import (
    CheckpointSaved,
    CorpusStarted,
    ModelExpanded,
    NoticeGiven,
    RolledBack,
    SampleGenerated,
    StepSkipped,
)
from tests.models.runs.example_config import WITH_TEXT
from tests.models.runs.example_events import evaluation, finished, started, step
from tests.tui.conftest import remarks, shown, steps, until
from tests.tui.test_dashboard import opened
from tests.tui.test_run_feed import view
from tui.chart_view import Dials
from tui.machine_figures import Gpu, Machine, MachineReader, gpu_of
from tui.run_charts import chart_of_view
from tui.run_words import figures, passes_histogram
from tui.screens.inside import InsideScreen
from tui.screens.run_settings import RunSettingsScreen
from tui.widgets.run_texts import LogList, SampleList

TROUBLE = [
    StepSkipped(step=12, loss=9.0, gradient_norm=1.0, reason="the loss jumped"),
    StepSkipped(step=15, loss=9.0, gradient_norm=1.0, reason="the loss jumped"),
    RolledBack(step=15, to_step=10, learning_rate_scale=0.5),
    ModelExpanded(
        step=10, characters_seen=1, parameters_before=1, parameters=2, largest_logit_change=0.0, grown={}
    ),
    CheckpointSaved(step=10, path="x", reason="interval"),
]


def test_what_happened_is_counted_and_marked_in_the_chart(record) -> None:
    run = record("owl", [started(), *steps(20), *TROUBLE, *(step(n, 3.0) for n in range(11, 31))])
    seen = view(run)
    rows = dict(figures(seen))
    assert rows["left out"] == "2 steps, last at 15" and rows["went back"] == "1 time, last at 15"
    assert rows["grown"] == "1 time, last at 10" and rows["saved"] == "step 10 (interval)"
    chart = chart_of_view(seen, "loss", Dials(smoothing=0.0))
    marks = {series.name: series.points for series in chart.series if series.kind == "marks"}
    assert marks["left out"] == ((12.0, 3.0), (15.0, 3.0)) and marks["went back"] == ((15.0, 3.0),)
    assert [x for x, _ in marks["grown"]] == [10.0]


def test_right_answers_stand_beside_the_losses(record) -> None:
    measured = replace(evaluation(1.0, step=10), accuracy={"4": 1.0, "8": 0.625})
    rows = dict(figures(view(record("owl", [started(), *steps(10), measured]))))
    assert rows["right at 4"] == "100.0 %" and rows["right at 8"] == "62.5 %"


def test_the_time_of_a_finished_training_has_its_last_evaluation(record) -> None:
    going = [started(), *(step(n, elapsed_s=n / 2) for n in range(1, 21))]
    assert dict(figures(view(record("owl", going))))["trained"] == "0:10"
    ended = view(record("hen", [*going, finished(step=20, elapsed_s=31.0)]))
    assert dict(figures(ended))["trained"] == "0:31", "as its result tells it"


def test_what_happened_on_an_earlier_text_is_not_marked(record) -> None:
    text = CorpusStarted(corpus="b", known_corpora=1, replay_share=0.1, replay_reason="", vocab_size=9)
    run = record("owl", [started(), *steps(20), *TROUBLE, text, *steps(5)])
    assert view(run).happenings == () and view(run).counts == {}


def test_passes_are_smoothed_and_counted(record) -> None:
    events = [step(n, passes_per_token=2.0 + n % 2) for n in range(1, 50)]
    run = record("owl", [*events, evaluation(2.0, 40, passes_per_token=2.5), finished()])
    seen = view(run)
    training, validation = chart_of_view(seen, "passes", Dials(smoothing=0.0)).series
    assert {y for _, y in training.points} == {2.0, 3.0} and validation.points == ((40.0, 2.5),)
    assert passes_histogram(seen) == []
    run.save_evaluation(
        Evaluation(step=40, after_steps=49, validation_loss=2.0, passes_histogram={"1": 1, "2": 3})
    )
    rows = passes_histogram(view(run))
    assert rows == [("1 pass", f"{'█' * 6} 25 %"), ("2 passes", f"{'█' * 18} 75 %")]


def test_samples_are_shown_by_prompt_and_the_log_by_part(record, drive) -> None:
    samples = [
        SampleGenerated(step=n, prompt=prompt, text=f" {prompt} {n}")
        for n in (10, 20, 30)
        for prompt in ("One day", "My own")
    ]
    log = [NoticeGiven(message="a notice"), NoticeGiven(message="a warning", is_warning=True), *TROUBLE]
    record("owl", [started(), *steps(30), *samples, *log[:2], log[2], log[-1]])

    async def do(pilot: Pilot[None]) -> None:
        screen = await opened(pilot)
        await pilot.press("7")
        await pilot.pause()
        text = shown(pilot.app)
        assert "2 prompts" in text and text.index("My own 30") < text.index("One day 20")
        seen = []
        for _ in range(3):
            await pilot.press("f")
            await pilot.pause()
            seen.append((screen.query_one(SampleList).prompt, shown(pilot.app)))
        assert [prompt for prompt, _ in seen] == ["My own", "One day", None]
        assert "One day 30" not in seen[0][1] and "My own 10" in seen[0][1]
        await pilot.press("8")
        parts = []
        for _ in range(3):
            await pilot.pause()
            parts.append(shown(pilot.app))
            await pilot.press("f")
        assert screen.query_one(LogList).part == "all"
        words = ("a notice", "a warning", "left out", "Checkpoint")
        assert [[word in part for word in words] for part in parts] == [
            [True, True, True, True], [False, False, True, True], [False, True, True, False],
        ]  # fmt: skip

    drive(do)


def test_the_settings_are_those_of_the_shell(record, drive, monkeypatch: pytest.MonkeyPatch) -> None:
    run = record("owl", [started(), *steps(30), finished()])

    async def do(pilot: Pilot[None]) -> None:
        screen = await opened(pilot)
        await pilot.press("o")
        assert isinstance(pilot.app.screen, RunSettingsScreen)
        await until(pilot, lambda: "model.vocab_size" in shown(pilot.app))
        assert str(run.path.name) in shown(pilot.app) and "status" in shown(pilot.app)
        await pilot.press("escape")
        assert pilot.app.screen is screen
        await pilot.press("i")
        assert isinstance(pilot.app.screen, InsideScreen)
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is screen)
        run.config_path.write_text("{", encoding="utf-8")
        await pilot.press("o")
        await until(pilot, lambda: any("config.json" in one for one in remarks(pilot.app)))
        await until(pilot, lambda: pilot.app.screen is screen)

    drive(do, (80, 40))


def test_the_machine_is_read_while_the_run_is_trained(record, drive, monkeypatch) -> None:
    run = record("owl", [started(), *steps(30)])
    monkeypatch.setattr("tui.screens.dashboard._MACHINE_S", 0.05)

    async def do(pilot: Pilot[None]) -> None:
        with run.lock():
            screen = await opened(pilot)
            await pilot.press("9")
            await until(pilot, lambda: "memory" in shown(pilot.app) and "training" in shown(pilot.app))
        assert screen.machine is not None and screen.machine.training_memory is not None
        await until(pilot, lambda: screen.machine is None)

    drive(do)


def test_a_process_that_has_gone_or_is_another_one_is_left_out(record) -> None:
    run = record("owl")
    reader = MachineReader(run.path)
    assert reader.read() is None
    for pid in ("", "no number", "999999999", "9" * 30, "-1"):
        (run.path / ".lock-pid").write_text(pid)
        found = reader.read()
        assert found is not None and found.training_cpu is None and found.memory_total > found.memory > 0
        assert dict(found.rows())["cpu"].endswith("%")
    (run.path / ".lock-pid").write_text(f"{os.getpid()}\n")
    reader.read()
    found = reader.read("cuda")
    assert found is not None and found.training_memory is not None and found.training_memory > 1e6


@pytest.mark.parametrize(
    ("prints", "found"),
    [
        ("echo '37, 2048, 8192'", Gpu(0.37, 2048 << 20, 8192 << 20)),
        ("echo '[N/A], 1, 2'", None),
        ("exit 9", None),
        ("true", None),
    ],
)
def test_a_gpu_is_read_from_its_own_tool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prints: str, found: Gpu | None
) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\n{prints}\n")
    tool.chmod(tool.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert gpu_of("cuda:0") == found
    monkeypatch.setenv("PATH", "")
    assert gpu_of("cuda") is None
    rows = Machine(0.5, 1, 2, gpu=found).rows()
    assert [name for name, _ in rows] == ["cpu", "memory", "gpu"][: 3 if found else 2]


def test_a_run_of_puzzles_solves_and_writes_no_sample(record, drive) -> None:
    puzzles = replace(WITH_TEXT, data=replace(WITH_TEXT.data, kind="puzzles"))
    run = record("owl", [started(), *steps(30)], puzzles)

    async def do(pilot: Pilot[None]) -> None:
        screen = await opened(pilot)
        allowed = [screen.check_action(action, ()) for action in ("solve", "chat", "sample", "ask")]
        assert allowed == [True, False, False, True]
        await pilot.press("7")
        await pilot.pause()
        assert "writes no samples" in shown(pilot.app)

    with run.lock():
        drive(do)
