"""What a training in several processes costs, as laws of the formulas."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from data.errors import UsageError
from models.architectures import model_config, skeleton
from models.config import TrainingConfig
from models.cost import scaling as formulas
from models.cost.counts import newton_schulz_flops, step_flops
from models.cost.link_speed import measure_link
from models.cost.machines import MACHINES, Link, link_between_gpus, parse_figure
from models.cost.scaling import (
    all_reduces,
    busiest_share,
    bytes_exchanged,
    computing_seconds,
    crossover,
    exchanging_seconds,
    process_bytes,
    ring_bytes,
    ring_seconds,
    scaling,
    shape_of,
    work_on,
)
from models.depth import Depth
from models.processes import group
from models.training import shared_gradients
from models.training.shared_orthogonalization import _owners

MODEL = skeleton(model_config({"d_model": 192, "n_heads": 4, "vocab_size": 96}))
TRAINING = TrainingConfig(steps=1, batch_size=512)
SHAPE = shape_of(MODEL, TRAINING)
H100 = MACHINES["h100"]
WORK = work_on(H100, MODEL, TRAINING)
COUNTS = st.integers(1, 512)


def test_one_process_exchanges_nothing_and_loses_nothing() -> None:
    alone = scaling(WORK, SHAPE, H100.link(1), 1)
    assert alone.bytes_exchanged == alone.exchanging_s == 0
    assert alone.efficiency == pytest.approx(1, abs=1e-12)
    assert alone.computing_s == pytest.approx(WORK.total_s)
    assert alone.tokens == 512 * 128 and alone.tokens_per_second == pytest.approx(alone.tokens / WORK.total_s)


@given(COUNTS, COUNTS)
def test_more_processes_are_less_efficient(few: int, many: int) -> None:
    """Where all have equal shares; an unequal one may be worse than a larger equal one."""
    few, many = sorted((1 << few.bit_length() - 1, 1 << many.bit_length() - 1))
    assert (
        scaling(WORK, SHAPE, H100.link(many), many).efficiency
        <= scaling(WORK, SHAPE, H100.link(few), few).efficiency + 1e-12
    )


@given(st.integers(2, 64), st.integers(1, 8))
def test_a_larger_batch_is_more_efficient(processes: int, times: int) -> None:
    def efficiency(sequences: int) -> float:
        training = replace(TRAINING, batch_size=sequences)
        work = work_on(H100, MODEL, training)
        return scaling(work, shape_of(MODEL, training), H100.link(processes), processes).efficiency

    assert efficiency(processes * (times + 1)) > efficiency(processes * times)


def test_bytes_are_those_of_a_ring_and_of_the_messages() -> None:
    assert [ring_bytes(100, count) for count in (1, 2, 4)] == [0, 100, 150]
    assert ring_seconds(100, 4, Link(50.0, 2.0)) == 150 / 50 + 6 * 2
    parameters = MODEL.parameter_counts()[0]
    _, gradients, updates = all_reduces(SHAPE, 4)
    assert gradients == 4 * parameters and updates == 2 * SHAPE.updates
    rows = 128 * 128 * 16  # of each process: sequences, tokens, two numbers of 8 bytes
    expected = 1.5 * sum(all_reduces(SHAPE, 4)) + 2 * formulas.MESSAGE_BYTES + rows
    assert bytes_exchanged(SHAPE, 4) == expected
    adamw = shape_of(MODEL, replace(TRAINING, optimizer="adamw"))
    assert len(all_reduces(adamw, 4)) == 2 and adamw.matrices == ()


def test_large_gradients_are_added_up_in_buckets() -> None:
    large = replace(SHAPE, parameters=3 * formulas.BUCKET + 1)
    assert len(all_reduces(large, 2)) == 1 + 4 + 1
    hops = Link(math.inf, 1.0)
    assert exchanging_seconds(large, 3, hops) == 6 * 2 * 2 + 2


def test_the_sizes_of_exchanges_are_those_of_the_training() -> None:
    assert shared_gradients.BUCKET == formulas.BUCKET
    assert group._FIRST + group._HEADER.size == formulas.MESSAGE_BYTES


@pytest.mark.parametrize("processes", [1, 2, 3, 8, 64])
def test_matrices_are_divided_as_the_training_divides_them(processes: int) -> None:
    stacks = [torch.empty(4, 96, 96), torch.empty(3, 96, 384)]
    costs = [96**3] * 4 + [96 * 384 * 96] * 3
    loads = [0.0] * processes
    for stack, owners in zip(stacks, _owners(stacks, processes), strict=True):
        for owner in owners:
            loads[owner] += stack.size(1) * stack.size(2) * 96
    assert busiest_share(costs, processes) == pytest.approx(max(loads) / sum(costs))


def test_what_is_not_divided_does_not_get_less() -> None:
    alone = replace(WORK, gradients_s=0.0, updates_s=0.0)
    assert computing_seconds(alone, SHAPE, 64) == WORK.undivided_s > 0
    shares = replace(WORK, updates_s=0.0, undivided_s=0.0)
    assert computing_seconds(shares, SHAPE, 100) == pytest.approx(WORK.gradients_s * 6 / 512)


def test_the_time_on_a_named_machine_is_its_operations_over_its_rate() -> None:
    flops = sum(step_flops(MODEL, depth).total for depth in (Depth(1), MODEL.trained_depth)) / 2
    rate = 989.4e12 * 0.4
    assert WORK.gradients_s == pytest.approx(512 * 128 * flops / rate)
    assert WORK.updates_s == pytest.approx(newton_schulz_flops(MODEL) / rate)
    twice = work_on(H100.with_figures({"utilisation": 0.8}), MODEL, TRAINING)
    assert twice.gradients_s == pytest.approx(WORK.gradients_s / 2)


def test_exchanging_takes_longer_from_the_crossover_on() -> None:
    found = crossover(WORK, SHAPE, H100.link)
    assert found is not None
    before, at = (scaling(WORK, SHAPE, H100.link(count), count) for count in (found - 1, found))
    assert before.exchanging_s <= before.computing_s and at.exchanging_s > at.computing_s
    slow = replace(WORK, gradients_s=1e6, undivided_s=1e6)
    assert crossover(slow, SHAPE, H100.link) is None


def test_a_ring_over_machines_has_their_link() -> None:
    assert H100.link(8) == H100.inside
    crossing = H100.link(16)
    assert crossing.bandwidth == H100.between.bandwidth < H100.inside.bandwidth
    assert H100.inside.latency_s < crossing.latency_s < H100.between.latency_s
    set_here = H100.with_figures({"link_bandwidth": 5e9, "link_latency": 0.0})
    assert set_here.link(2) == set_here.link(64) == Link(5e9, 0.0)


def test_gpus_are_known_by_the_names_of_their_makers() -> None:
    assert link_between_gpus("NVIDIA H100 80GB HBM3") == H100.inside
    assert link_between_gpus("NVIDIA GeForce RTX 4090") == MACHINES["rtx4090"].inside
    assert link_between_gpus("Another one").bandwidth == 32e9


def test_a_process_takes_less_memory_with_its_share_of_the_batch() -> None:
    alone, one_of_eight = (process_bytes(MODEL, TRAINING, "bfloat16", count, 2) for count in (1, 8))
    assert one_of_eight < alone / 4
    in_pieces = replace(TRAINING, micro_batch=1)
    exchanged = 4 * MODEL.parameter_counts()[0] + 2 * 2 * SHAPE.updates
    both = [process_bytes(MODEL, in_pieces, "bfloat16", count, 2) for count in (1, 8)]
    assert both[1] - both[0] == exchanged


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("link_bandwidth", "50GB/s", 50e9), ("link_bandwidth", "100 Gbit/s", 12.5e9),
        ("link_bandwidth", 2.5e9, 2.5e9), ("link_latency", "10us", 10e-6), ("link_latency", "0", 0.0),
        ("memory", "80GiB", 80 * 2**30), ("flops", "312TFLOPS", 312e12), ("utilisation", "0.5", 0.5),
    ],
)  # fmt: skip
def test_figures_have_units(name: str, text: object, expected: float) -> None:
    assert parse_figure(name, text) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("link_bandwidth", "50GB"), ("link_bandwidth", "0GB/s"), ("link_bandwidth", "-1GB/s"),
        ("link_latency", "fast"), ("memory", True), ("utilisation", "1.5"), ("devices", "0"),
        ("flops", "1e999"), ("bandwidth", "1GB/s"),
    ],
)  # fmt: skip
def test_other_figures_are_refused(name: str, text: object) -> None:
    with pytest.raises(UsageError) as found:
        parse_figure(name, text)
    assert found.value.field == f"machine.{name}"


def test_the_link_of_this_machine_is_measured() -> None:
    link = measure_link()
    assert 0 < link.latency_s < 1 and 1e6 < link.bandwidth < 1e14


def test_a_machine_without_loopback_has_a_link_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no such address")

    monkeypatch.setattr("socket.create_server", refuse)
    assert measure_link().bandwidth > 1e6
