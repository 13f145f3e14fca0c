"""The runs as the home screen shows them, without a screen."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.runs import lock
from models.runs.events import RunFailed
from models.runs.run import Run
from models.runs.sampled_losses import sampled_losses
from tests.models.runs.example_config import CREATED
from tests.models.runs.example_events import paused, started, step
from tests.tui.conftest import steps
from tui import run_list
from tui.run_list import RunList
from tui.sparkline import BLOCKS, sparkline
from tui.widgets.run_table import columns_for


def states(folder: Path) -> dict[str, str]:
    return {row.summary.name: row.state for row in RunList(folder).read()}


def test_every_state_has_its_name(record, tmp_path: Path) -> None:
    record("created", config=CREATED)
    record("paused", [started(), *steps(20), paused(20)])
    record("killed", [started(), *steps(20)])
    record("failed", [started(), *steps(20), RunFailed(kind="X", message="No.")])
    (record("damaged").path / "config.json").write_text("{", encoding="utf-8")
    busy, starting = record("training", [started(), *steps(20)]), record("preparing")
    with busy.lock(), starting.lock():
        found = states(tmp_path / "runs")
    assert found == {name: name for name in found} and len(found) == 7


def test_a_run_is_read_again_only_when_it_has_changed(
    record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = []
    summarize = run_list.summarize
    monkeypatch.setattr(run_list, "summarize", lambda path: reads.append(path.name) or summarize(path))
    owl, _fox = record("owl", steps(20)), record("fox", steps(20))
    runs = RunList(tmp_path / "runs")
    runs.read()
    runs.read()
    assert sorted(reads) == ["fox", "owl"]
    with owl.events_path.open("a", encoding="utf-8") as log:
        log.write("x\n")
    runs.read()
    with owl.lock():
        assert [row.state for row in runs.read() if row.summary.name == "owl"] == ["training"]
    assert reads[2:] == ["owl", "owl"]


def test_a_run_that_disappears_is_left_out(record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record("owl")

    def gone(path: Path) -> None:
        raise OSError(2, "gone")

    monkeypatch.setattr(run_list, "summarize", gone)
    assert RunList(tmp_path / "runs").read() == []
    assert RunList(tmp_path / "none").read() == []


def test_some_losses_of_a_log_follow_its_course(record) -> None:
    run = record("owl", [started(), *steps(900, total=1000)])
    losses = sampled_losses(run.events_path, 24)
    assert len(losses) == 24 and losses == sorted(losses, reverse=True)
    assert sampled_losses(run.path / "none", 24) == []


def test_undone_steps_and_earlier_texts_are_left_out_of_the_losses(record) -> None:
    first = [step(number, 9.0, time=1.0) for number in range(1, 200)]
    undone = [step(number, 5.0, time=2.0) for number in range(1, 200)]
    again = [step(number, 3.0, time=3.0) for number in range(50, 200)]
    run = record("owl", [*first, *undone, *again])
    losses = sampled_losses(run.events_path, 60, since=1.5)
    assert set(losses) == {5.0, 3.0} and losses == sorted(losses, reverse=True)


@given(st.lists(st.floats(-1e6, 1e6), max_size=60), st.integers(0, 30))
def test_a_sparkline_fits_its_width(values: list[float], width: int) -> None:
    line = sparkline(values, width)
    assert len(line) == min(width, len(values)) and set(line) <= set(BLOCKS)
    if line and max(values) - min(values) > 1 and width >= len(values):
        assert BLOCKS[0] in line and BLOCKS[-1] in line


@pytest.mark.parametrize("width", [40, 60, 80, 120, 140, 200])
def test_the_columns_fit_the_table(width: int) -> None:
    columns = columns_for(width)
    assert sum(cells + 2 for _, cells in columns) == width
    assert {"run", "state", "best"} <= {column.title for column, _ in columns}


def test_the_lock_of_a_dead_process_does_not_count(record, tmp_path: Path) -> None:
    run: Run = record("owl", steps(20))
    (run.path / lock.PID_FILE).write_text("1\n", encoding="utf-8")
    assert states(tmp_path / "runs") == {"owl": "killed"}
