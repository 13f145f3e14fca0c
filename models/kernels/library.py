"""The C files of this folder as a library: compiled once on each machine, and kept in the cache folder."""

import ctypes
import functools
import hashlib
import os
import platform
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from data.cache import cache_dir
from data.errors import RlmError
from data.storage import clear_temporaries, replace_file, temporary_beside

COMPILERS = ("cc", "gcc", "clang")
"""The first one that is there is used."""
_FOLDER = Path(__file__).parent
_OF_WRITING = ("step.c", "linear.c", "attend.c", "draw.c")
_OF_TRAINING = ("norm.c", "heads.c", "feed_forward.c", "attention.c", "residual.c", "routing.c")
_SOURCES = [_FOLDER / name for name in (*_OF_WRITING, *_OF_TRAINING)]
_INCLUDED = sorted(_FOLDER.glob("*.h"))
_FLAGS = (
    "-O3", "-shared", "-fPIC", "-fno-math-errno", "-fno-trapping-math", "-fno-signed-zeros",
    "-fassociative-math",
)  # fmt: skip
_WHERE_KNOWN: tuple[list[str], ...] = (
    ["-march=native", "-mprefer-vector-width=512", "-fopenmp"],  # for this processor, in several threads
    ["-march=native", "-fopenmp"],
    ["-march=native"],
    ["-mcpu=native"],
    [],
)
"""The first ones that the compiler knows are taken."""
_PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class MissingLibrary:
    """Why there is no compiled library."""

    reason: str
    """In words that follow "since"."""
    cause: Literal["compiler", "cache folder"]
    """What has to change for it."""


class _NoLibraryError(Exception):
    """There is none. The words of the reason follow "since"."""

    def __init__(self, reason: str, cause: Literal["compiler", "cache folder"] = "compiler") -> None:
        super().__init__(reason)
        self.missing = MissingLibrary(reason, cause)


def compiled_library() -> ctypes.CDLL | None:
    """The functions of the C files of this folder, or None where this machine cannot compile them."""
    return _library_or_reason()[0]


def missing_library() -> MissingLibrary | None:
    """Why `compiled_library` is None, or None where it is there."""
    return _library_or_reason()[1]


def usable_cores() -> int:
    """Processors that this process may use, as the system counts them."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@functools.cache
def _library_or_reason() -> tuple[ctypes.CDLL | None, MissingLibrary | None]:
    try:
        return _load(), None
    except _NoLibraryError as error:
        return None, error.missing


def _load() -> ctypes.CDLL:
    compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
    if compiler is None:
        raise _NoLibraryError("there is no C compiler")
    try:
        folder = cache_dir() / "compiled"
        folder.mkdir(exist_ok=True)
        if _is_barred(folder):
            raise _NoLibraryError("no code may run from the cache folder", "cache folder")
        path = folder / f"kernels-{_digest(compiler)}.so"
        if path.exists():
            try:
                return _opened(path)
            except _NoLibraryError:  # it is damaged, or of another machine
                path.unlink(missing_ok=True)  # another process may have done so
        clear_temporaries(folder, 10 * _PATIENCE_S)
        _compile(compiler, path)
        return _opened(path)
    except (RlmError, OSError) as error:
        raise _NoLibraryError(f"the cache folder cannot hold it ({error})", "cache folder") from error


def _is_barred(folder: Path) -> bool:
    """Whether a disk is mounted so that no code on it runs. What is compiled there never loads."""
    return hasattr(os, "ST_NOEXEC") and bool(os.statvfs(folder).f_flag & os.ST_NOEXEC)


def _digest(compiler: str) -> str:
    """Of everything that the library depends on: the source, how it is compiled, and the processor."""
    parts = [
        *(source.read_bytes() for source in (*_SOURCES, *_INCLUDED)),
        repr((compiler, _FLAGS, _WHERE_KNOWN, platform.machine())).encode(),
        _processor(),
    ]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def _processor() -> bytes:
    """What the processor can do, where the system tells it; else its name."""
    try:
        lines = Path("/proc/cpuinfo").read_bytes().splitlines()
    except OSError:
        return platform.processor().encode()
    return next((line for line in lines if line.startswith((b"flags", b"Features"))), b"")


def _compile(compiler: str, path: Path) -> None:
    """Compile the C files to `path`, which is there as a whole or not at all."""
    message = ""
    with temporary_beside(path) as folder:
        folder.mkdir()
        for flags in _WHERE_KNOWN:
            result = folder / "result"
            try:
                objects = _objects([compiler, *_FLAGS, *flags], folder)
                _run([compiler, *_FLAGS, *flags, *objects, "-o", str(result), "-lm"])
            except _CompilerError as error:
                message = str(error)
                continue
            replace_file(path, [result.read_bytes()])  # loading a part of one would end the process
            return
    raise _NoLibraryError(f"{compiler} fails ({message})")


def _objects(command: list[str], folder: Path) -> list[str]:
    """Compile each C file to an object file in `folder`, as many at once as there are cores to use."""
    objects = [str(folder / source.with_suffix(".o").name) for source in _SOURCES]
    # The largest file first: the others end while it is compiled.
    order = sorted(zip(_SOURCES, objects, strict=True), key=lambda pair: -pair[0].stat().st_size)
    pool = ThreadPoolExecutor(max(1, min(len(order), usable_cores())))
    try:
        list(pool.map(lambda pair: _run([*command, "-c", str(pair[0]), "-o", pair[1]]), order))
    finally:
        pool.shutdown(cancel_futures=True)
    return objects


class _CompilerError(Exception):
    """The compiler refuses. The message is its last line."""


def _run(command: list[str]) -> None:
    """Run the compiler."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PATIENCE_S,
        )
    except subprocess.TimeoutExpired as error:
        raise _NoLibraryError(f"{command[0]} takes more than {_PATIENCE_S:g} s") from error
    except OSError as error:
        raise _NoLibraryError(f"{command[0]} does not run ({error})") from error
    if done.returncode:
        told = done.stderr.strip().splitlines()
        raise _CompilerError(told[-1] if told else f"exit {done.returncode}")


def _opened(path: Path) -> ctypes.CDLL:
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise _NoLibraryError(f"the compiled library does not load ({error})") from error
