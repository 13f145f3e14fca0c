"""The names of runs, and which ones a folder has. Torch-free."""

import contextlib
import os
import re
import secrets
import unicodedata
from collections.abc import Callable
from pathlib import Path

from data.errors import UsageError
from data.nearest import nearest
from data.storage import TEMPORARY_PREFIX
from models.errors import RunError, in_command
from models.runs.incomplete import is_incomplete

CONFIG_FILE = "config.json"
VERSIONS = "versions"
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}", re.ASCII)

_TRACES = {CONFIG_FILE, "events.jsonl", "checkpoints", "model.safetensors"}


def require_name(name: str) -> None:
    """Raise UsageError where no run can be called `name`."""
    if not NAME.fullmatch(name):
        raise UsageError(
            f"'{name}' cannot be the name of a run.",
            hint="Use 1 to 64 of the characters A-Z a-z 0-9 . _ - and begin with a letter, digit or _.",
        )


def require_free_name(name: str, runs_dir: Path) -> None:
    """Raise UsageError where no run can be called `name`, or something in `runs_dir` has that name."""
    require_name(name)
    path = runs_dir / name
    if os.path.lexists(path) and not is_incomplete(path):
        raise name_is_taken(name, runs_dir)


def suggest_name(stem: str, runs_dir: Path) -> str:
    """A valid name no run has yet, close to `stem`: "alice", then "alice-2"."""
    return free_name(stem, lambda name: os.path.lexists(runs_dir / name))


def free_name(stem: str, is_taken: Callable[[str], bool]) -> str:
    """A valid name that is not taken, close to `stem`."""
    plain = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", plain).strip(".-")[:56].rstrip(".-") or "run"
    number, name = 1, plain
    while is_taken(name):
        number += 1
        name = f"{plain}-{number}"
    return name


def aside(path: Path) -> Path:
    """A free name beside `path` for what is about to be removed. Nothing of that name is listed."""
    return path.with_name(f"{TEMPORARY_PREFIX}{path.name}-{os.getpid()}-{secrets.token_hex(4)}")


def run_names(runs_dir: Path) -> list[str]:
    """The names of the runs in a folder, the most recently changed first. Raises as `folders_in`.

    A folder into which nobody may look counts as a run, the oldest.
    """
    found: list[tuple[float, str]] = []
    for path in folders_in(runs_dir):
        if NAME.fullmatch(path.name) and is_there(path / CONFIG_FILE):
            found.append((last_change(path), path.name))
    return [name for _, name in sorted(found, reverse=True)]


def folders_in(runs_dir: Path) -> list[Path]:
    """The folders in `runs_dir`, without links; none where it does not exist.

    Raises RunError where it cannot be read.
    """
    try:
        return [Path(entry.path) for entry in os.scandir(runs_dir) if entry.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise RunError(
            f"The folder '{runs_dir}' cannot be read: {error.strerror or error}.",
            hint="Check its permissions, or name another folder.",
        ) from error


def is_there(path: Path, *, follow_links: bool = True) -> bool:
    """Whether there is something at `path`, or may be, where nobody may look."""
    try:
        os.stat(path, follow_symlinks=follow_links)
    except PermissionError:
        return True
    except (OSError, ValueError):  # too long a name, or a NUL in it
        return False
    return True


def has_trace_of_run(folder: Path) -> bool:
    """Whether there is anything of a run in `folder`, damaged or not. Where nobody may look, there may be."""
    try:
        return not _TRACES.isdisjoint(os.listdir(folder))
    except PermissionError:
        return True
    except OSError:
        return False


def run_of_version(path: Path) -> Path | None:
    """The folder of the run of which `path` is a version, or None where it is none."""
    owner = path.parent.parent
    return owner if path.parent.name == VERSIONS and is_there(owner / CONFIG_FILE) else None


def refuse_version(path: Path) -> None:
    """Raise UsageError where the run in `path` is a version of another one: it stays as it is."""
    if (owner := run_of_version(path)) is None:
        return
    raise UsageError(
        f"'{path.name}' is a version that run '{owner.name}' keeps as it is.",
        hint=f"Go back to it: {{resume {in_command(owner)} --from {path.name}}}   "
        f"Or make it a run of its own: {{copy {in_command(path)} NEW}}",
    )


def last_change(path: Path) -> float:
    """When a run's log, weights or configuration last changed, in seconds since the epoch."""
    times = [0.0]
    for name in (CONFIG_FILE, "events.jsonl", "model.safetensors"):
        with contextlib.suppress(OSError):
            times.append((path / name).stat().st_mtime)
    return max(times)


def name_is_taken(name: str, runs_dir: Path) -> UsageError:
    """The error where a folder of `runs_dir` has that name."""
    go_on = f"{{resume {in_command(runs_dir / name)}}}"
    return UsageError(
        f"There is already a run '{name}'.",
        hint=f"Choose another, such as {suggest_name(name, runs_dir)}, or go on with it: {go_on}",
    )


def unknown_run(text: str, runs_dir: Path) -> UsageError:
    """The error where nothing is called `text`, with the nearest names."""
    names = run_names(runs_dir)
    near = nearest(text, names, count=3, cutoff=0.5)
    if names and not near:
        return UsageError(
            f"There is no run '{text}'.", hint=f"There are: {', '.join(names[:3])}. All: {{ls}}"
        )
    hint = f"Did you mean {' or '.join(near)}?" if near else "There is no run yet; train one: {train FILE}"
    return UsageError(f"There is no run '{text}'.", hint=hint)
