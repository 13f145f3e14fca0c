"""Packed files: gzip and Zstandard, known by the ending of a name or by their first bytes."""

import gzip
import importlib
import zlib
from pathlib import Path
from typing import Any, BinaryIO, cast

from data.errors import CorpusError

GZIP, ZSTANDARD = ".gz", ".zst"
_NAMES = {GZIP: "gzip", ZSTANDARD: "Zstandard"}
_MAGIC = {b"\x1f\x8b": GZIP, b"\x28\xb5\x2f\xfd": ZSTANDARD}
EXTRA_HINT = "Install it: pip install {package} (it comes with the extra rlm[hf])."
"""What to do where an optional package is missing."""


class DamagedPackingError(Exception):
    """The packed bytes are cut short, or are something else; `packing` is what they should be."""

    def __init__(self, packing: str) -> None:
        super().__init__(packing)
        self.packing = packing


class Unpacked:
    """The content of an open file, unpacked as the name of its path says."""

    def __init__(self, raw: BinaryIO, path: Path, label: str) -> None:
        """Raises CorpusError where the library for that is missing."""
        packing = packing_of(path)
        self._name = _NAMES.get(packing, "")
        self._stream = raw
        self._damage: tuple[type[Exception], ...] = ()
        if packing == GZIP:
            self._stream = cast(BinaryIO, gzip.GzipFile(fileobj=raw, mode="rb"))
            self._damage = (gzip.BadGzipFile, EOFError, zlib.error)
        elif packing == ZSTANDARD:
            library = _zstandard(label)
            self._stream = library.ZstdFile(raw, "rb")
            self._damage = (library.ZstdError, EOFError)

    def read(self, size: int) -> bytes:
        """At most `size` bytes, b"" at the end. Raises DamagedPackingError, OSError."""
        try:
            return self._stream.read(size)
        except self._damage:
            raise DamagedPackingError(self._name) from None


def packing_of(path: Path) -> str:
    """GZIP or ZSTANDARD by the ending of the name, or ""."""
    ending = path.suffix.lower()
    return ending if ending in _NAMES else ""


def packing_of_head(head: bytes) -> str:
    """GZIP or ZSTANDARD by the first bytes of a file, or ""."""
    return next((packing for magic, packing in _MAGIC.items() if head.startswith(magic)), "")


def without_packing(path: Path) -> Path:
    """The path without .gz or .zst."""
    return path.with_suffix("") if packing_of(path) else path


def unpacked_head(head: bytes, size: int, label: str) -> bytes:
    """The first bytes of a file, unpacked, as far as they go and at most `size`; b"" where they are damaged.

    Raises CorpusError where the library for that is missing.
    """
    packing = packing_of_head(head)
    if packing == GZIP:
        try:
            return zlib.decompressobj(wbits=31).decompress(head, size)
        except zlib.error:
            return b""
    if packing == ZSTANDARD:
        library = _zstandard(label)
        try:
            return cast(bytes, library.ZstdDecompressor().decompress(head, size))
        except library.ZstdError:
            return b""
    return head


def _zstandard(label: str) -> Any:
    """The module of the standard library, from Python 3.14 on, or the package that stands in for it."""
    for name in ("compression.zstd", "backports.zstd"):
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    raise CorpusError(
        f"'{label}' is packed with Zstandard, and the package that unpacks it is not installed.",
        hint=EXTRA_HINT.format(package="backports.zstd"),
    )
