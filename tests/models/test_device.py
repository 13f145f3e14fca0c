"""Which number formats a device is given, and what the doctor says of them."""

import contextlib
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest
import torch

from models.cost.number_format import short_format
from models.doctor import check_number_formats

PASCAL, TURING, AMPERE = 6, 7, 8
"""Major compute capabilities: a P100, whose float16 is no faster, a T4, which emulates bfloat16, and an A100,
which computes it."""


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """`gpus(TURING, AMPERE)`: a machine with these GPUs, the first of which is the current one."""

    def install(*majors: int) -> None:
        current = [0]

        @contextlib.contextmanager
        def device(chosen: torch.device) -> Iterator[None]:
            before = current[0]
            current[0] = before if chosen.index is None else chosen.index
            yield
            current[0] = before

        def properties(index: int) -> SimpleNamespace:
            return SimpleNamespace(major=majors[index])

        def capability(chosen: torch.device) -> tuple[int, int]:
            return majors[chosen.index or 0], 0

        monkeypatch.setattr(torch.version, "hip", None)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: len(majors))
        monkeypatch.setattr(torch.cuda, "current_device", lambda: current[0])
        monkeypatch.setattr(torch.cuda, "get_device_properties", properties)
        monkeypatch.setattr(torch.cuda, "device", device)
        monkeypatch.setattr(torch.cuda, "get_device_capability", capability)
        # torch can make a bfloat16 tensor on every GPU.
        monkeypatch.setattr(torch.cuda, "_check_bf16_tensor_supported", lambda index: True)

    return install


@pytest.mark.parametrize(
    ("majors", "device", "half"),
    [
        ((TURING,), "cuda", "float16"),
        ((AMPERE,), "cuda", "bfloat16"),
        ((TURING, AMPERE), "cuda", "float16"),
        ((PASCAL,), "cuda", None),
        ((TURING, AMPERE), "cuda:1", "bfloat16"),
        ((AMPERE, TURING), "cuda:1", "float16"),
    ],
)
def test_a_gpu_is_offered_the_half_format_it_computes(
    gpus: Callable[..., None], majors: tuple[int, ...], device: str, half: str | None
) -> None:
    gpus(*majors)
    assert short_format(torch.device(device)) == half


@pytest.mark.parametrize(
    ("majors", "found"),
    [
        ((TURING,), "float32, float16"),
        ((AMPERE, AMPERE), "float32, float16, bfloat16"),
        ((TURING, AMPERE), "float32, float16, bfloat16 (only cuda:1)"),
    ],
)
def test_the_doctor_names_the_formats_of_every_gpu(
    gpus: Callable[..., None], majors: tuple[int, ...], found: str
) -> None:
    gpus(*majors)
    assert check_number_formats().found == found


@pytest.mark.parametrize("in_hardware", [True, False])
def test_the_doctor_and_training_agree_on_the_processor(
    monkeypatch: pytest.MonkeyPatch, in_hardware: bool
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: in_hardware)
    formats = ["float32", short_format(torch.device("cpu"))]
    assert check_number_formats().found == ", ".join(name for name in formats if name)
