"""Tensors in the safetensors format: written piece by piece, read by the library.

The library writes a file in one go and says "I/O error" when the disk is full; here each piece
passes through `data.storage`, which hashes it on its way and knows a full disk from a bug.
Reading is left to the library, which checks every length and offset of a file from a stranger.

The layout (https://github.com/huggingface/safetensors): eight bytes with the length of the
header, little-endian; the header, JSON padded with spaces to a multiple of eight; the data.

Tensors that are the same memory, as a head that is tied to the embedding, are written once, under the
first of their names. The metadata names the others, and reading gives them the same memory again.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from data.plain_file import open_plain_file
from data.wording import byte_size
from models.errors import CheckpointError
from models.runs.migrations import CURRENT
from models.runs.typed_json import JsonObject
from models.runs.weights_file import TIES, VERSION, read_header, ties_in, version_of, with_current_names

_PIECE = 4 << 20
_SEAL = "rlm_sha256"  # a name no other program uses for something else

_DTYPE_NAMES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


def tensor_pieces(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> Iterator[bytes | memoryview]:
    """The bytes of a safetensors file, a tensor at a time.

    Tensors may be on any device, strided, or share a part of their memory; each is written in full,
    and those that are the same memory once. Raises ValueError for a dtype the format lacks.
    """
    yield _encoded(_header(tensors, metadata))
    yield from _data_pieces(tensors)


def sealed(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> dict[str, str]:
    """`metadata` with a hash of header and data added, so that the file proves itself intact."""
    sha256 = hashlib.sha256(_canonical(_header(tensors, metadata)))
    for piece in _data_pieces(tensors):
        sha256.update(piece)
    return {**metadata, _SEAL: sha256.hexdigest()}


def file_size(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> int:
    """How many bytes `tensor_pieces` gives."""
    data = sum(tensors[name].nbytes for name in _order(tensors))
    return len(_encoded(_header(tensors, metadata))) + data


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors on the CPU, and the metadata, with what is only for reading the file taken off.

    Each is in memory of its own, but for those that were tied: they are one tensor.
    Those of an earlier version have the names of today. Raises CheckpointError for a file that is
    missing, truncated, not what was sealed, or of a later version. A file without a seal, from
    another program, is taken as it is.
    """
    try:
        _check_seal(path)
        # The library opens a file by its name. Read, not mapped: a mapped file that is truncated later
        # kills the process.
        with safe_open(path, framework="pt", device="cpu", backend="pread") as file:
            metadata = dict(file.metadata() or {})
            metadata.pop(_SEAL, None)
            if version_of(metadata) > CURRENT["safetensors"]:
                raise CheckpointError(f"'{path}' was written by a later version of rlm.", hint="Update rlm.")
            ties = ties_in(metadata)
            metadata.pop(TIES, None)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            if ties.keys() & tensors or not tensors.keys() >= set(ties.values()):
                raise ValueError("its ties do not fit its tensors")
            tensors |= {name: tensors[first] for name, first in ties.items()}
            tensors, metadata = with_current_names(tensors, metadata)
            metadata.pop(VERSION, None)
            return tensors, metadata
    except FileNotFoundError as error:
        raise CheckpointError(f"There is no file '{path}'.") from error
    except OSError as error:
        raise CheckpointError(f"'{path}' cannot be read: {error.strerror or error}.") from error
    except (SafetensorError, ValueError, RecursionError) as error:
        raise CheckpointError(f"'{path}' is damaged: {error}.") from error


def _check_seal(path: Path) -> None:
    """Raise ValueError or OSError where the file is not a whole safetensors file, or its seal is broken."""
    with open_plain_file(path, follow_links=False) as file:
        size, expected, header = read_header(file)
        if size != expected:
            raise ValueError(f"it has {size:,} of {expected:,} bytes")
        if size > psutil.virtual_memory().total:  # a hole in a file makes it any size
            raise ValueError(f"its {byte_size(size)} are more than this machine's memory")
        metadata = header.get("__metadata__", {}) if isinstance(header, dict) else {}
        seal = metadata.pop(_SEAL, None) if isinstance(metadata, dict) else None
        if seal is None:
            return
        sha256 = hashlib.sha256(_canonical(header))
        while piece := file.read(_PIECE):
            sha256.update(piece)
    if sha256.hexdigest() != seal:
        raise ValueError("its content is not what was written")


def _header(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> JsonObject:
    ties = {TIES: json.dumps(tied)} if (tied := _ties(tensors)) else {}
    header: JsonObject = {"__metadata__": {**metadata, **ties, VERSION: str(CURRENT["safetensors"])}}
    position = 0
    for name in _order(tensors):
        tensor = tensors[name]
        if tensor.dtype not in _DTYPE_NAMES:
            raise ValueError(f"'{name}' has dtype {tensor.dtype}, which is not saved")
        header[name] = {
            "dtype": _DTYPE_NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [position, position + tensor.nbytes],
        }
        position += tensor.nbytes
    return header


def _ties(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """By name of a tensor that is the same memory as one before it: the name of the first of them."""
    first: dict[tuple[Any, ...], str] = {}
    tied = {}
    for name, tensor in tensors.items():
        place = (tensor.device, tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride())
        # A tensor without memory, an empty one, is nowhere.
        if tensor.data_ptr() and first.setdefault(place, name) != name:
            tied[name] = first[place]
    return tied


def _order(tensors: Mapping[str, Tensor]) -> list[str]:
    """The names under which data is written, in its order."""
    # Wide elements first, as the library does: every tensor then starts aligned to its own width.
    return sorted(tensors.keys() - _ties(tensors), key=lambda name: (-tensors[name].element_size(), name))


def _encoded(header: JsonObject) -> bytes:
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _canonical(header: Any) -> bytes:
    return json.dumps(header, sort_keys=True).encode("ascii")


def _data_pieces(tensors: Mapping[str, Tensor]) -> Iterator[memoryview]:
    for name in _order(tensors):
        tensor = tensors[name]
        if tensor.numel():
            flat = tensor.detach().to("cpu").contiguous().reshape(-1)
            yield flat.view(torch.uint8).numpy().data
