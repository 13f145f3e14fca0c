"""The `datasets` library: opening a data set, and its errors as sentences.

The library is imported where it is needed: it takes seconds, and it is an extra.
"""

import contextlib
import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.errors import CorpusError, RlmError, UsageError
from data.mixes.spec import MixSource
from data.packing import EXTRA_HINT
from data.safe_text import safe_text

SAVED_FILES = ("dataset_info.json", "dataset_dict.json")
"""One of these is in a folder that `save_to_disk` made."""
_DEFAULT_SPLIT = "train"
_SHOWN = 200  # characters of a sentence of the library
_NO_NETWORK = "ConnectionError|ConnectError|Timeout|LocalEntryNotFound|OfflineMode|MaxRetry|gaierror|SSLError"
_CHOICES = re.compile(r"(?:Available(?: splits)?|available configs|one of):?\s*(\[[^\]]*\])")


@dataclass(frozen=True, slots=True)
class Table:
    """Rows with the same columns. `data` is a Dataset or an IterableDataset of the library."""

    data: Any
    columns: tuple[str, ...] | None
    """None where they are not known before the first row."""
    rows: int | None
    """None where it is not known."""

    def read(self, skip: int) -> Iterator[Mapping[str, object]]:
        """The rows after the first `skip`, in the order of the data set."""
        yield from self.data.skip(skip) if skip else self.data


def is_saved(path: Path) -> bool:
    """Whether `path` is a folder that `save_to_disk` of the library made."""
    return any((path / name).is_file() for name in SAVED_FILES)


def open_dataset(source: MixSource) -> Table:
    """The data set of a source that names one. Raises CorpusError, UsageError."""
    assert source.dataset is not None
    split = source.split or _DEFAULT_SPLIT
    with _errors_of(source), quiet():
        library = _library()
        found = library.load_dataset(source.dataset, source.config, split=split, streaming=source.streaming)
        return _table(found)


def open_saved(source: MixSource, path: Path) -> Table:
    """The data set that was saved in the folder `path`. Raises CorpusError, UsageError."""
    with _errors_of(source), quiet():
        library = _library()
        found = library.load_from_disk(str(path))
        if isinstance(found, dict):
            split = source.split or _DEFAULT_SPLIT
            if split not in found:
                raise _no_split(source, split, ", ".join(f"'{safe_text(str(one))}'" for one in found))
            found = found[split]
        return _table(found)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """The library draws no progress bars and logs nothing in this context."""
    library = _library()
    loggers = [logging.getLogger(name) for name in ("datasets", "huggingface_hub", "fsspec", "httpx")]
    levels = [one.level for one in loggers]
    had_bars = not library.utils.are_progress_bars_disabled()
    library.disable_progress_bars()
    for one in loggers:
        one.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for one, level in zip(loggers, levels, strict=True):
            one.setLevel(level)
        if had_bars:
            library.enable_progress_bars()


def interrupted(source: MixSource, rows: int, error: Exception) -> CorpusError:
    """The error for a source that gave `rows` rows and then failed. It is not lost: see the spool."""
    if isinstance(error, CorpusError):
        return error
    network = " The network is gone." if _is_network(error) else f" {_sentence(error)}"
    kept = "" if source.filter else " What was read is kept, and it goes on from there."
    return CorpusError(
        f"Source '{source.name}' stopped after {rows:,} rows.{network}",
        hint=f"Run the command again.{kept}",
    )


@contextlib.contextmanager
def _errors_of(source: MixSource) -> Iterator[None]:
    try:
        yield
    except RlmError:
        raise
    except Exception as error:
        raise _as_rlm_error(source, error) from error


def _as_rlm_error(source: MixSource, error: Exception) -> RlmError:
    """What the library raises while it opens a data set, as a sentence."""
    name, text = source.dataset or source.place, str(error)
    kinds = " ".join(type(one).__name__ for one in _causes(error))
    if "gated" in text.lower() or "GatedRepo" in kinds:
        return CorpusError(
            f"The data set '{name}' of source '{source.name}' is gated: its owner must give you access.",
            hint=f"Ask at https://huggingface.co/datasets/{name}, then log in: hf auth login",
        )
    if _is_network(error):
        return CorpusError(
            f"The data set '{name}' of source '{source.name}' cannot be reached: there is no network.",
            hint="Connect and run the command again, or give a path to a copy of it.",
        )
    if "DatasetNotFound" in kinds:
        return UsageError(
            f"There is no data set '{name}' on the hub, or it is private.",
            hint="Check its name. For a private one, log in: hf auth login",
        )
    choices = _CHOICES.search(text)
    if choices is not None:
        listed = safe_text(choices[1].strip("[]"))
        if "split" in text.lower():
            return _no_split(source, source.split or _DEFAULT_SPLIT, listed)
        return UsageError(
            f"The data set '{name}' of source '{source.name}' has "
            + (f"no config '{source.config}'." if source.config else "several configs."),
            hint=f"Set config to one of {listed}.",
        )
    if "scripts are no longer supported" in text:
        return CorpusError(
            f"The data set '{name}' is a program, and those are not run.",
            hint="Give a data set of data files, such as Parquet.",
        )
    return CorpusError(
        f"Source '{source.name}' cannot be read: {_sentence(error)}", hint="Check its name and its files."
    )


def _no_split(source: MixSource, split: str, listed: str) -> UsageError:
    return UsageError(
        f"Source '{source.name}' has no split '{safe_text(split)}'.", hint=f"Set split to one of {listed}."
    )


def _is_network(error: BaseException) -> bool:
    kinds = re.compile(_NO_NETWORK)
    return any(kinds.search(type(one).__name__) for one in _causes(error)) or "Couldn't reach" in str(error)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error, and what it was raised from."""
    for _ in range(16):
        if error is None:
            return
        yield error
        error = error.__cause__ or error.__context__


def _sentence(error: Exception) -> str:
    """The first line of what the library says."""
    said = safe_text(str(error).strip()).splitlines() or [type(error).__name__]
    first = said[0][:_SHOWN].rstrip(".")
    return f"{first}."


def _table(found: Any) -> Table:
    names = found.column_names
    rows = getattr(found, "num_rows", None)
    if rows is None and found.info.splits and found.split is not None:
        split = found.info.splits.get(str(found.split))
        rows = None if split is None else split.num_examples
    return Table(found, None if names is None else tuple(names), rows or None)


def _library() -> Any:
    try:
        import datasets
    except ImportError as error:
        raise UsageError(
            f"Data sets need the package 'datasets' ({safe_text(str(error))}).",
            hint=EXTRA_HINT.format(package="datasets"),
        ) from error
    return datasets
