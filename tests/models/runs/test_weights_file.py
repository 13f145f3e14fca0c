"""A weights file that was cut short is told from its header and its length."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.runs.weights_file import weights_problem


def weights_bytes(numbers: int = 40) -> bytes:
    """A whole safetensors file of two tensors."""
    half = 2 * numbers
    header = {
        "__metadata__": {"format": "rlm", "tokenizer": "{}"},
        "a": {"dtype": "F32", "shape": [numbers // 2], "data_offsets": [0, half]},
        "b": {"dtype": "F32", "shape": [numbers // 2], "data_offsets": [half, 2 * half]},
    }
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(2 * half)


def test_a_whole_file_is_sound(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    for numbers in (0, 40):
        path.write_bytes(weights_bytes(numbers))
        assert weights_problem(path) is None


@given(kept=st.integers(0, len(weights_bytes()) - 1))
def test_wherever_it_is_cut_it_is_noticed(tmp_path_factory: pytest.TempPathFactory, kept: int) -> None:
    path = tmp_path_factory.mktemp("cut") / "model.safetensors"
    path.write_bytes(weights_bytes()[:kept])
    problem = weights_problem(path)
    assert problem is not None and problem.startswith("model.safetensors ")


@pytest.mark.parametrize(
    "header", [b"[]", b"{", b"7", b'{"a": 1}', b'{"a": {"data_offsets": [0]}}', b"[" * 90_000, b"\xff"]
)
def test_what_is_no_weights_file_is_refused_quietly(tmp_path: Path, header: bytes) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    assert weights_problem(path) is not None
    path.write_bytes(b"\xff" * 8 + header)
    assert weights_problem(path) is not None


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    assert weights_problem(tmp_path / "model.safetensors") == "model.safetensors is missing"
    assert "cannot be read" in str(weights_problem(tmp_path))
