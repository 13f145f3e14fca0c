"""What a safetensors file says in its header, and whether it is whole: without torch, at a glance.

The layout is told in `models.runs.tensor_file`, which also checks every byte. The header says where
the data of each tensor ends, so a file that was cut short is found out by its size.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from data.plain_file import open_plain_file
from models.runs.migrations import CURRENT, migrated
from models.runs.typed_json import JsonObject

Tensor = TypeVar("Tensor")

VERSION = "format_version"
"""The key of the metadata under which the version of the file stands."""
TIES = "rlm_ties"
"""The key of the metadata under which tied tensors stand: a JSON object of each name that has no data
of its own, and the name of the tensor it is tied to."""
_LARGEST_HEADER = 100_000_000  # the library's own bound


def weights_problem(path: Path) -> str | None:
    """What is wrong with a weights file, its name first; None where nothing can be seen."""
    try:
        with open_plain_file(path, follow_links=False) as file:
            size, expected, _ = read_header(file)
    except FileNotFoundError:
        return f"{path.name} is missing"
    except OSError as error:
        return f"{path.name} cannot be read: {error.strerror or error}"
    except ValueError as error:
        return f"{path.name} {str(error).removeprefix('it ')}"
    if size != expected:
        return f"{path.name} has {size:,} of {expected:,} bytes"
    return None


def read_header(file: BinaryIO) -> tuple[int, int, JsonObject]:
    """The size of an open weights file, the size it has by its header, and the header.

    Raises ValueError where there is no sound header.
    """
    size = os.fstat(file.fileno()).st_size
    length = int.from_bytes(file.read(8), "little")
    if size < 8 or length > min(_LARGEST_HEADER, size - 8):
        raise ValueError("it is cut short, or not a weights file")
    try:
        header = json.loads(file.read(length))
        return size, 8 + length + _data_size(header), header
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise ValueError("it is not a weights file") from error


def metadata_of(path: Path) -> dict[str, str]:
    """What travels in the header of a weights file; nothing where it cannot be read."""
    try:
        with open_plain_file(path, follow_links=False) as file:
            _, _, header = read_header(file)
        return with_current_names({}, _metadata_in(header))[1]
    except (OSError, ValueError, RecursionError):
        return {}


def version_of(metadata: Mapping[str, str]) -> int:
    """The version of a weights file. One that does not say so, or is of another program, is of the first."""
    version = metadata.get(VERSION, "1")
    return max(1, int(version[:9])) if version.isdecimal() else 1


def with_current_names(
    tensors: dict[str, Tensor], metadata: dict[str, str]
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors and the metadata of a weights file with the names of today.

    The metadata still has the version of the file. A file of a later version is returned as it is.
    """
    if (version := version_of(metadata)) >= CURRENT["safetensors"]:
        return tensors, metadata
    value = migrated("safetensors", {VERSION: version, "tensors": tensors, "metadata": metadata})
    return value["tensors"], value["metadata"]


def shape_in(path: Path, tensor: str) -> tuple[int, ...] | None:
    """The shape of a tensor in a weights file; None where it has none of that name, or cannot be read."""
    try:
        with open_plain_file(path, follow_links=False) as file:
            _, _, header = read_header(file)
        shape = header[ties_in(_metadata_in(header)).get(tensor, tensor)]["shape"]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None
    is_shape = isinstance(shape, list) and all(type(size) is int and size >= 0 for size in shape)
    return tuple(shape) if is_shape else None


def ties_in(metadata: Mapping[str, str]) -> dict[str, str]:
    """The tied names of a file, and the tensor each is tied to. Raises ValueError where they are damaged."""
    ties = json.loads(metadata.get(TIES, "{}"))
    if not isinstance(ties, dict) or not all(isinstance(name, str) for name in ties.values()):
        raise ValueError("its ties are no names")
    return ties


def _metadata_in(header: JsonObject) -> dict[str, str]:
    """The texts by name in a header. Raises ValueError where they are something else."""
    metadata = header.get("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise ValueError("its metadata are no texts")
    return metadata


def _data_size(header: Any) -> int:
    """Bytes of the tensors together. Raises ValueError, LookupError or TypeError where it is no header."""
    if not isinstance(header, dict):
        raise TypeError("not a header")
    ends = [int(entry["data_offsets"][1]) for name, entry in header.items() if name != "__metadata__"]
    return max(ends, default=0)
