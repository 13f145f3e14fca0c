"""Ways in which a file of a run can be damaged, and wrong values for its JSON."""

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from data.storage import remove_entry

DEEP = "[" * 5000 + "]" * 5000
ESCAPE = "\x1b]0;owned\x07\x1b[2J\x9b31m\x90q\u202e\x00"
Damage = Callable[[Path, random.Random], None]


def cut(path: Path, draw: random.Random) -> None:
    os.truncate(path, draw.randrange(max(1, path.stat().st_size)))


def empty(path: Path, draw: random.Random) -> None:
    path.write_bytes(b"")


def flip(path: Path, draw: random.Random) -> None:
    content = bytearray(path.read_bytes())
    for _ in range(8):
        if content:
            content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    path.write_bytes(content)


def garbage(path: Path, draw: random.Random) -> None:
    path.write_bytes(draw.randbytes(3000))


def escapes(path: Path, draw: random.Random) -> None:
    path.write_text(ESCAPE * 40, encoding="utf-8")


def nested(path: Path, draw: random.Random) -> None:
    path.write_text(DEEP)


def longer(path: Path, draw: random.Random) -> None:
    path.write_bytes(path.read_bytes() + draw.randbytes(100))


def gone(path: Path, draw: random.Random) -> None:
    path.unlink()


def pipe(path: Path, draw: random.Random) -> None:
    path.unlink()
    os.mkfifo(path)


def folder(path: Path, draw: random.Random) -> None:
    path.unlink()
    path.mkdir()
    (path / "precious").write_text("mine")


def device(path: Path, draw: random.Random) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def own_link(path: Path, draw: random.Random) -> None:
    path.unlink()
    path.symlink_to(path.name)


def link_outside(path: Path, draw: random.Random) -> None:
    """The file's content moves out of the run, and a link leads there."""
    outside = outside_of(path)
    shutil.move(path, outside / path.name)
    path.symlink_to(outside / path.name)


def hole(path: Path, draw: random.Random) -> None:
    os.truncate(path, 1 << 40)


def unreadable(path: Path, draw: random.Random) -> None:
    path.write_bytes(b"\xff\xfe\x00" * 100)


def parent_is_link(path: Path, draw: random.Random) -> None:
    """The folder of the file moves out of the run, and a link leads there."""
    outside = outside_of(path) / "folder"
    shutil.move(path.parent, outside)
    path.parent.symlink_to(outside)


def parent_is_file(path: Path, draw: random.Random) -> None:
    parent = path.parent
    remove_entry(parent)
    parent.write_text("not a folder")


DAMAGES: tuple[Damage, ...] = (
    cut,
    empty,
    flip,
    garbage,
    escapes,
    nested,
    longer,
    gone,
    pipe,
    folder,
    device,
    own_link,
    link_outside,
    hole,
    unreadable,
    parent_is_link,
    parent_is_file,
)


def outside_of(path: Path) -> Path:
    """The folder beside the runs that nothing may write to."""
    runs = next(parent for parent in path.parents if parent.name == "runs")
    outside = runs.parent / "outside"
    outside.mkdir(exist_ok=True)
    return outside


WRONG: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    2**31,
    2**63,
    10**30,
    10**400,
    1e308,
    -1e308,
    float("nan"),
    float("inf"),
    0.5,
    "",
    "x",
    "x" * 300,
    "x" * 100_000,
    ESCAPE,
    "../../outside",
    "/etc/passwd",
    "\ud800",
    [],
    {},
    [[]],
    [1, "a"],
    {"a": None},
    {ESCAPE: ESCAPE},
    "nan",
    "1",
    "deep",
)


def wrong_value(draw: random.Random) -> Any:
    value = draw.choice(WRONG)
    if value == "deep":
        for _ in range(500):
            value = [value]
    return value


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path to every value inside a JSON value."""
    found = [path] if path else []
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        found += places(one, (*path, key))
    return found


def put_value(value: Any, path: tuple[Any, ...], new: Any) -> None:
    for key in path[:-1]:
        value = value[key]
    value[path[-1]] = new
