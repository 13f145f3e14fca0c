"""The axes of a scan, what is counted at each size, and which sizes are measured within a time."""

import errno
import math
import shutil
from collections import namedtuple
from collections.abc import Generator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import torch

from data.errors import StorageError, UsageError
from data.progress import convert_yields, result_of
from models.architectures import ARCHITECTURES, model_config, skeleton
from models.benchmark import scan, scan_points
from models.benchmark.scan import ScanRequest, benchmark_scan
from models.benchmark.scan_axes import COSTS, SIZES, chosen_axes, counted, default_model, model_at, sequences
from models.benchmark.scan_points import Measured
from models.benchmark.scan_schedule import Schedule, Skipped
from models.benchmark.timing import forget_peak, peak_since
from models.config import ModelConfig, TrainingConfig
from models.runs.events import Event, PreparationAdvanced

CPU = torch.device("cpu")


def ideal(axis: str, size: int, cost: str = "training") -> float:
    config = model_at(default_model(), axis, size)
    return sum(counted(skeleton(config), TrainingConfig(), config.context_length, "float32")[cost].values())


def request(base: ModelConfig, axes: tuple[str, ...] = ("width",)) -> ScanRequest:
    return ScanRequest(base=base, subject="x", axes=axes, device=CPU)


def test_an_axis_changes_one_size_and_the_model_can_be_built_at_every_size() -> None:
    base = default_model()
    fields = {
        "width": "d_model",
        "passes": "max_cycles",
        "context": "context_length",
        "vocabulary": "vocab_size",
    }
    for axis, changed in fields.items():
        for size in SIZES[axis]:
            config = model_at(base, axis, size)
            assert getattr(config, changed) == size
            heads = config.n_heads if axis == "width" else base.n_heads
            assert replace(config, **{changed: getattr(base, changed), "n_heads": base.n_heads}) == base
            assert config.d_model // heads == base.d_model // base.n_heads
            assert sequences(config) * config.context_length == sequences(base) * base.context_length
    wide = model_at(replace(base, d_feed_forward=256), "width", 512)
    assert wide.size_of("ff") == 1024, "the feed-forward network keeps its share"


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_has_its_axes(architecture: str) -> None:
    base = model_config({"architecture": architecture, "vocab_size": 300, "d_model": 96, "n_heads": 4})
    axes = chosen_axes(None, base)
    assert {"width", "context", "vocabulary", "corpus"} <= set(axes)
    for axis in axes[:-1]:
        possible = scan._possible_sizes(request(base), axis)
        assert len(possible) >= 3
        parts = counted(skeleton(model_at(base, axis, possible[-1])), TrainingConfig(), 64, "float32")
        assert set(parts) == set(COSTS[axis]) and all(sum(one.values()) > 0 for one in parts.values())


def test_the_ideal_lines_are_those_of_the_arithmetic() -> None:
    first, second, third = (ideal("passes", passes) for passes in (2, 4, 8))
    assert third - second == pytest.approx(2 * (second - first)), "a pass costs what the one before it does"
    first, second, third = (ideal("context", tokens) for tokens in (512, 1024, 2048))
    assert third - second == pytest.approx(2 * (second - first)), "a token more is attended to by each"
    first, second, third = (ideal("vocabulary", tokens, "writing") for tokens in (1000, 2000, 4000))
    assert third - second == pytest.approx(2 * (second - first)) and second - first == 2 * 1000 * 128
    assert 3.5 < ideal("width", 512) / ideal("width", 256) < 8, "squares of the width, and Muon's cubes"


def test_names_of_axes_are_checked() -> None:
    assert chosen_axes(["corpus", "width"], default_model()) == ("width", "corpus")
    with pytest.raises(UsageError, match="no axis 'widht'") as raised:
        chosen_axes(["widht"], default_model())
    assert raised.value.hint is not None and "width" in raised.value.hint
    dense = model_config({"architecture": "transformer", "vocab_size": 300})
    assert "passes" not in chosen_axes(None, dense)
    with pytest.raises(UsageError, match="passes of transformer cannot be changed"):
        chosen_axes(["passes"], dense)
    with pytest.raises(UsageError, match="no time to measure"):
        ScanRequest(base=dense, subject="x", axes=("width",), device=CPU, minutes=0)


@dataclass
class Machine:
    """A machine whose clock only its measurements move."""

    seconds_per_unit: float = 1.0
    now: float = 0.0
    order: list[tuple[str, int]] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    def measure(self, axis: str, size: int) -> Generator[Event, None, Measured]:
        yield PreparationAdvanced(stage="inside", done=0, total=1)
        self.order.append((axis, size))
        self.now += size * self.seconds_per_unit
        return Measured(size, {"training": 1.0}, {"training": {"x": 1.0}}, size * self.seconds_per_unit)

    def schedule(self, limit_s: float, **more: object) -> Schedule:
        sizes = {"width": (1, 2, 4, 8), "context": (1, 10, 100)}
        return Schedule(sizes, limit_s, lambda axis, size: size, clock=self.clock, **more)  # type: ignore[arg-type]


def test_small_sizes_of_all_axes_come_first() -> None:
    machine = Machine()
    schedule = machine.schedule(1e9)
    result_of(schedule.run(machine.measure))
    assert machine.order[:4] == [("width", 1), ("context", 1), ("width", 2), ("context", 10)]
    assert len(machine.order) == 7 and schedule.skipped == []
    assert [one.size for one in schedule.points["context"]] == [1, 10, 100]


def test_a_size_that_would_exceed_the_time_is_skipped_with_those_above_it() -> None:
    machine = Machine()
    schedule = machine.schedule(30.0)
    result_of(schedule.run(machine.measure))
    assert machine.now <= 30.0
    assert schedule.skipped == [Skipped("context", 100, "the time is used up")]
    assert machine.order[-1] == ("width", 8), "another axis goes on"
    slow = Machine(seconds_per_unit=50.0)
    schedule = slow.schedule(30.0)
    result_of(schedule.run(slow.measure))
    assert slow.order == [("width", 1)], "one size is always measured"
    assert [(one.axis, one.size) for one in schedule.skipped] == [("context", 1), ("width", 2)]


def test_an_interrupt_keeps_what_was_measured() -> None:
    machine = Machine()

    def interrupted(axis: str, size: int) -> Generator[Event, None, Measured]:
        if size == after:
            raise KeyboardInterrupt
        return (yield from machine.measure(axis, size))

    after = 2
    schedule = machine.schedule(1e9)
    result_of(schedule.run(interrupted))
    assert machine.order == [("width", 1), ("context", 1)]
    assert schedule.skipped == [Skipped("width", 2, "stopped"), Skipped("context", 10, "stopped")]
    after = 1
    with pytest.raises(KeyboardInterrupt):
        result_of(machine.schedule(1e9).run(interrupted))


def test_a_size_that_does_not_fit_ends_its_axis_alone() -> None:
    machine = Machine()

    def full(axis: str, size: int) -> Generator[Event, None, Measured]:
        if (axis, size) == ("width", 2):
            raise StorageError("The disk is full.")
        if (axis, size) == ("context", 10):
            raise torch.OutOfMemoryError("out of memory")
        return (yield from machine.measure(axis, size))

    schedule = machine.schedule(1e9)
    result_of(schedule.run(full))
    assert {(one.axis, one.reason) for one in schedule.skipped} == {
        ("width", "The disk is full"),
        ("context", "out of memory"),
    }
    schedule = machine.schedule(1e9, obstacle=lambda axis, size: "no room" if size > 3 else None)
    result_of(schedule.run(machine.measure))
    assert schedule.skipped == [Skipped("context", 10, "no room"), Skipped("width", 4, "no room")]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(scan_points, "_ENOUGH_S", 0.0)
    monkeypatch.setattr("models.benchmark.scan_axes.TOKENS", 32)
    monkeypatch.setattr(scan_points, "MEGABYTE", 20_000)
    monkeypatch.setattr(scan_points, "_BLOCK_WORDS", 6_000)
    monkeypatch.setattr(scan_points, "_BATCHES", 2)
    monkeypatch.setattr(scan_points, "_BLOCKS", 2)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def test_a_scan_measures_models_and_corpora(quick: None, tmp_path: Path) -> None:
    base = replace(default_model(), d_model=16, n_heads=2, context_length=16, vocab_size=48)
    sizes = {
        "width": (16, 32),
        "passes": (1, 2),
        "context": (8, 16),
        "vocabulary": (32, 64),
        "corpus": (1, 3),
    }
    state = torch.get_rng_state()
    asked = ScanRequest(base=base, subject="tiny", axes=tuple(sizes), device=CPU, sizes=sizes)
    stages = []

    def noting(event: Event) -> None:
        stages.append(getattr(event, "stage", ""))

    report = result_of(convert_yields(benchmark_scan(asked), noting))
    assert report.kind == "scan"
    assert torch.equal(state, torch.get_rng_state()), "the random state is as it was"
    names = {table.name for table in report.tables}
    assert {f"{cost} by {axis}" for axis in sizes for cost in COSTS[axis] if cost != "memory"} <= names
    for table in report.tables[:-1]:
        assert table.rows[0][2] == 1.0 and all(value > 0 for row in table.rows for value in row)  # type: ignore[operator]
    for row in report.tables[-1].rows:
        assert all(math.isfinite(value) for value in row[2:])  # type: ignore[arg-type]
    assert "width 16" in stages and any(stage.startswith("corpus 3 MB") for stage in stages)
    assert list(tmp_path.glob("rlm-scan-*")) == [], "nothing is left of the corpora"
    assert any("width 16, 3 passes, context 16" in note for note in report.notes)


def test_a_disk_that_is_full_ends_the_axis_of_the_corpus(
    quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, pieces: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(scan_points, "write_file", full)
    report = result_of(benchmark_scan(request(default_model(), ("corpus",))))
    assert report.tables == () and "disk is full" in report.notes[-1]


def test_what_has_no_room_is_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = request(default_model(), ("width", "corpus"))
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(1, 1, 10**9))
    assert scan._obstacle(asked, "corpus", 256, "float32") is None
    assert "of disk" in str(scan._obstacle(asked, "corpus", 1000, "float32"))
    monkeypatch.setattr(scan, "free_memory_bytes", lambda device: 10**9)
    assert scan._obstacle(asked, "width", 64, "float32") is None
    assert "of memory" in str(scan._obstacle(asked, "width", 1024, "float32"))


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the system does not tell the peak")
def test_a_peak_of_memory_is_forgotten() -> None:
    held = bytearray(64 << 20)
    del held
    before = forget_peak(CPU)
    low = peak_since(CPU)
    assert before is not None and low is not None and low - before < 32 << 20
    del before, low
    before = forget_peak(CPU)
    held = bytearray(64 << 20)
    high = peak_since(CPU)
    assert len(held) == 64 << 20 and before is not None
    assert high is not None and high - before > 48 << 20
