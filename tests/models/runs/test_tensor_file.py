import json
import os
from pathlib import Path

import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import CheckpointError
from models.runs.checkpoint import load_weights, save_weights
from models.runs.migrations import CURRENT
from models.runs.run import Run
from models.runs.tensor_file import file_size, tensor_pieces

DTYPES = [
    torch.float32,
    torch.float64,
    torch.float16,
    torch.bfloat16,
    torch.int64,
    torch.int32,
    torch.uint8,
    torch.bool,
]
tensors = st.builds(
    lambda shape, dtype: (torch.rand(shape) * 100).to(dtype),
    st.lists(st.integers(0, 4), max_size=3),
    st.sampled_from(DTYPES),
)


@settings(max_examples=60, deadline=None)
@given(
    tensors=st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(
            lambda name: name != "__metadata__"
        ),
        tensors,
        max_size=5,
    ),
    metadata=st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"])),
        st.text(st.characters(exclude_categories=["Cs"])),
        max_size=3,
    ),
)
def test_the_library_reads_what_we_write(
    tmp_path_factory: pytest.TempPathFactory, tensors: dict[str, torch.Tensor], metadata: dict[str, str]
) -> None:
    path = tmp_path_factory.mktemp("files") / "weights.safetensors"
    path.write_bytes(b"".join(bytes(piece) for piece in tensor_pieces(tensors, metadata)))
    assert path.stat().st_size == file_size(tensors, metadata)
    theirs = safetensors.torch.load(path.read_bytes())
    ours, our_metadata = load_weights(path)
    assert ours.keys() == theirs.keys() == tensors.keys() and our_metadata == metadata
    for name, tensor in tensors.items():
        for found in (ours[name], theirs[name]):
            assert found.dtype == tensor.dtype and found.shape == tensor.shape and torch.equal(found, tensor)


def test_strided_and_shared_tensors_are_written_in_full(tmp_path: Path) -> None:
    run = Run.create("owl", tmp_path)
    base = torch.arange(12.0).reshape(3, 4)
    save_weights(run, {"a": base, "b": base.t(), "c": base[1:, ::2], "d": base.expand(2, 3, 4)}, {})
    found, _ = load_weights(run.weights_path)
    assert (
        torch.equal(found["b"], base.t())
        and torch.equal(found["c"], base[1:, ::2])
        and found["d"].shape == (2, 3, 4)
    )


def test_a_dtype_the_format_lacks_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    run = Run.create("owl", tmp_path)
    with pytest.raises(ValueError, match="complex64"):
        save_weights(run, {"a": torch.zeros(1, dtype=torch.complex64)}, {})
    assert list(run.path.iterdir()) == []


@pytest.fixture(scope="module")
def sealed_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = Run.create("owl", tmp_path_factory.mktemp("sealed"))
    table = torch.arange(30.0)
    tensors = {"w": table, "b": torch.ones(3), "tied": table}
    save_weights(run, tensors, {"format": "rlm", "tokenizer": '{"ä": 1}'})
    return run.weights_path


@settings(max_examples=150, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_in_the_weights_never_changes_what_they_say(
    sealed_file: Path, place: float, bit: int
) -> None:
    intact = sealed_file.read_bytes()
    damaged = bytearray(intact)
    damaged[int(place * len(intact))] ^= 1 << bit
    path = sealed_file.with_name("damaged.safetensors")
    path.write_bytes(damaged)
    try:
        tensors, metadata = load_weights(path)
    except CheckpointError:
        return
    # Only in the name of the seal itself does a flip pass, and there it harms nothing.
    wanted, wanted_metadata = load_weights(sealed_file)
    assert all(torch.equal(tensors[name], wanted[name]) for name in wanted)
    assert wanted_metadata.items() <= metadata.items() and len(metadata) == len(wanted_metadata) + 1


@settings(max_examples=40, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True))
def test_truncated_weights_are_noticed(sealed_file: Path, place: float) -> None:
    intact = sealed_file.read_bytes()
    path = sealed_file.with_name("short.safetensors")
    path.write_bytes(intact[: int(place * len(intact))])
    with pytest.raises(CheckpointError):
        load_weights(path)


@settings(max_examples=150, deadline=None)
@given(
    header=st.binary(max_size=60)
    | st.sampled_from(["BOOL", "F32", "F99", 7, None]).flatmap(
        lambda dtype: st.tuples(
            st.lists(st.integers(-1, 2**70), max_size=3), st.lists(st.integers(-5, 2**66), max_size=3)
        ).map(
            lambda parts: json.dumps(
                {"t": {"dtype": dtype, "shape": parts[0], "data_offsets": parts[1]}, "__metadata__": parts[0]}
            ).encode()
        )
    ),
    length=st.none() | st.integers(0, 2**64 - 1),
)
def test_a_crafted_file_only_ever_raises_our_error(
    tmp_path_factory: pytest.TempPathFactory, header: bytes, length: int | None
) -> None:
    path = tmp_path_factory.mktemp("crafted") / "x.safetensors"
    path.write_bytes((len(header) if length is None else length).to_bytes(8, "little") + header + b"\0" * 16)
    try:
        load_weights(path)
    except CheckpointError as error:
        assert len(error.message) < 1000


def test_missing_denied_and_strange_paths(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing.safetensors", tmp_path):
        with pytest.raises(CheckpointError):
            load_weights(path)
    deep = tmp_path / "deep.safetensors"
    deep.write_bytes((200_000).to_bytes(8, "little") + b"[" * 200_000)
    with pytest.raises(CheckpointError):
        load_weights(deep)


def test_a_file_says_its_version_and_one_of_a_later_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(b"".join(bytes(piece) for piece in tensor_pieces({"w": torch.ones(2)}, {})))
    with safetensors.safe_open(path, framework="pt") as file:
        assert file.metadata() == {"format_version": str(CURRENT["safetensors"])}
    assert load_weights(path)[1] == {}
    safetensors.torch.save_file(
        {"w": torch.ones(2)}, path, {"format_version": str(CURRENT["safetensors"] + 1)}
    )
    with pytest.raises(CheckpointError, match="later version"):
        load_weights(path)
    safetensors.torch.save_file({"w": torch.ones(2)}, path, {"format_version": "1"})
    assert load_weights(path)[0].keys() == {"w"}
    safetensors.torch.save_file({"w": torch.ones(2)}, path, {"format_version": "of another program"})
    assert load_weights(path)[0].keys() == {"w"}


def test_a_file_with_a_hole_at_its_end_is_refused_before_it_is_read(sealed_file: Path) -> None:
    with sealed_file.open("r+b") as file:
        file.truncate(1 << 40)
    with pytest.raises(CheckpointError, match=f"has {1 << 40:,} of"):
        load_weights(sealed_file)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a pipe in the file system is a Unix idea")
def test_a_pipe_is_no_weights_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.safetensors")
    with pytest.raises(CheckpointError, match="not a plain file"):
        load_weights(tmp_path / "x.safetensors")
