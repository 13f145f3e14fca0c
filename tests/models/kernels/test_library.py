"""The compiled library: made once, kept, and done without where it cannot be had."""

import functools
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from data.cache import cache_dir, set_cache_dir
from data.storage import TEMPORARY_PREFIX
from models.architectures import build_model, model_config
from models.depth import Depth
from models.kernels import library
from models.native.native_step import NativeStep, native_step

pytestmark = pytest.mark.skipif(library.compiled_library() is None, reason="there is no C compiler")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache, a process that has not looked for the library, and a quick compilation."""
    before = cache_dir()
    monkeypatch.setattr(library, "_FLAGS", ("-O0", "-shared", "-fPIC"))
    set_cache_dir(tmp_path / "cache")
    # The next tests have the library that was found before.
    monkeypatch.setattr(
        library, "_library_or_reason", functools.cache(library._library_or_reason.__wrapped__)
    )
    yield tmp_path / "cache" / "compiled"
    set_cache_dir(before)


def looked_up_again() -> bool:
    """Whether a new process would have the function."""
    library._library_or_reason.cache_clear()
    return library.compiled_library() is not None


def assert_missing(reason: str, cause: str) -> None:
    """There is no library, for a reason with these words."""
    missing = library.missing_library()
    assert missing is not None and reason in missing.reason and missing.cause == cause


def test_it_is_compiled_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert library.compiled_library() is not None and library.missing_library() is None
    (kept,) = folder.iterdir()
    monkeypatch.setattr(library, "_compile", lambda *_: pytest.fail("it is there"))
    assert looked_up_again()
    assert [kept] == list(folder.iterdir())


@pytest.mark.parametrize("content", [b"", b"damaged", b"\x7fELF" + bytes(200)])
def test_a_damaged_library_is_made_again(folder: Path, content: bytes, monkeypatch) -> None:
    compiled: list[Path] = []
    folder.mkdir(parents=True)
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang") or ""
    (folder / f"kernels-{library._digest(compiler)}.so").write_bytes(content)
    compile_it = library._compile
    monkeypatch.setattr(library, "_compile", lambda *how: (compiled.append(how[1]), compile_it(*how)))
    assert looked_up_again() and len(compiled) == 1


def test_another_source_compiler_or_processor_is_another_library(monkeypatch: pytest.MonkeyPatch) -> None:
    digests = {library._digest("cc"), library._digest("clang")}
    monkeypatch.setattr(library, "_processor", lambda: b"another")
    digests.add(library._digest("cc"))
    monkeypatch.setattr(library, "_FLAGS", ("-O1",))
    digests.add(library._digest("cc"))
    assert len(digests) == 4


def script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.mark.parametrize(
    ("compiler", "told"),
    [
        ("", "there is no C compiler"),
        ("echo 'no such header' >&2; exit 1", "fails (no such header)"),
        ("exit 3", "fails (exit 3)"),
        ("printf 'no header f\\374r this' >&2; exit 1", "fails (no header f"),
        ("sleep 9; exit 1", "takes more than 0.5 s"),
        ("read answer || exit 4", "fails (exit 4)"),  # it gets no input, which is the user's
        ('while [ "$1" != -o ]; do shift; done; echo nothing > "$2"', "does not load"),
    ],
)
def test_without_a_compiler_that_works_there_is_none(
    tmp_path: Path, folder: Path, compiler: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(library, "_PATIENCE_S", 0.5 if "sleep" in compiler else 60.0)
    if compiler:
        script(tmp_path / "cc", compiler)
    assert not looked_up_again()
    assert_missing(told, "compiler")
    assert not folder.exists() or all(path.suffix == ".so" for path in folder.iterdir())


def test_flags_that_a_compiler_does_not_know_are_left_out(tmp_path: Path, monkeypatch) -> None:
    real = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    refuses = f'case "$*" in *=native*) exit 1;; esac\nexec {real} "$@"'
    script(tmp_path / "cc", refuses)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert looked_up_again()


def test_the_library_is_on_the_disk_before_it_has_its_name(folder: Path, monkeypatch) -> None:
    """Of a library that was cut off, the system loads what is there, and the process ends."""
    synced: list[int] = []
    sync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: (synced.append(os.fstat(file).st_size), sync(file)))
    assert looked_up_again()
    (kept,) = folder.iterdir()
    assert kept.stat().st_size in synced


def test_what_a_killed_compilation_left_is_cleared(folder: Path) -> None:
    folder.mkdir(parents=True)
    left = folder / f"{TEMPORARY_PREFIX}kernels-0.so-1-2"
    left.write_bytes(b"half")
    os.utime(left, (0, 0))
    assert looked_up_again()
    assert not left.exists()


@pytest.mark.skipif(not hasattr(os, "ST_NOEXEC"), reason="the system tells nothing of that")
def test_nothing_is_compiled_where_no_code_may_run(folder: Path, monkeypatch) -> None:
    flags = SimpleNamespace(f_flag=os.ST_NOEXEC)
    monkeypatch.setattr(os, "statvfs", lambda path: flags)
    monkeypatch.setattr(library, "_compile", lambda *_: pytest.fail("it would not load"))
    assert not looked_up_again()
    assert_missing("no code may run", "cache folder")


def test_a_cache_that_cannot_be_written_leaves_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    set_cache_dir(tmp_path / "file" / "cache")
    assert not looked_up_again()
    assert_missing("the cache folder cannot hold it", "cache folder")


def test_as_many_files_are_compiled_at_once_as_there_are_cores(tmp_path: Path, monkeypatch) -> None:
    """Each process of a compiler tells when it begins, and waits until as many have begun."""
    begun = tmp_path / "begun"
    begun.mkdir()
    waits = f'for _ in $(seq 25); do [ "$(ls {begun} | wc -l)" -ge 3 ] && exit 1; sleep 0.1; done'
    script(tmp_path / "cc", f"touch {begun}/$$\n{waits}\necho alone >&2; exit 1")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(library, "usable_cores", lambda: 3)
    assert not looked_up_again()
    assert_missing("fails (exit 1)", "compiler")


def test_without_openmp_the_texts_of_a_batch_are_computed_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts that one thread computes one after another would each read all weights."""
    monkeypatch.setattr(library, "_WHERE_KNOWN", ([],))
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    step = native_step()
    assert step is not None
    sizes = {"vocab_size": 20, "context_length": 8, "d_model": 16, "n_heads": 2}
    model = build_model(model_config({"architecture": "transformer", **sizes})).eval()
    (state,) = NativeStep(step, model, Depth(1), 8, {})._states
    assert (state.rows, state.threads) == (8, 1)
