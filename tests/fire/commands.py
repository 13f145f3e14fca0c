"""Commands of `rlm` for the long loops: thousands of them in minutes, each in a process of its own."""

import dataclasses
import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
EXIT_CODES = {0, 1, 2, 3, 130, 141, 143}
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\x80-\x9f]")
_COMES_AND_GOES = {".lock", ".lock-pid"}
_LOGS = {"events.jsonl", "training.log"}
SMALL = [
    "--d-model",
    "32",
    "--heads",
    "2",
    "--context",
    "32",
    "--batch-size",
    "4",
    "--number-format",
    "float32",
]
QUICK = [
    *SMALL,
    "--set",
    "training.evaluations=2",
    "--set",
    "training.samples=0",
    "--set",
    "training.threads=1",
]


@dataclass(frozen=True, kw_only=True)
class Request:
    """A command: its arguments, where it starts, and what is typed."""

    arguments: Sequence[str]
    folder: str
    stdin: str = ""
    tty: bool = False
    kill_at: int = 0
    """The number of the system call at which it is killed; 0 kills nothing."""
    patience_s: float = 60.0
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a command ended: `output` is what it wrote to stdout and stderr, a character a byte."""

    code: int
    hung: bool
    output: str
    operations: int

    @property
    def text(self) -> str:
        """The output as the UTF-8 that it is."""
        return self.output.encode("latin-1").decode("utf-8", "replace")

    def faults(self) -> list[str]:
        """What no command may do, whatever it is given."""
        found = ["it hung"] if self.hung else []
        if "Traceback" in self.output:
            found.append("a traceback")
        if not self.hung and self.code not in EXIT_CODES:
            found.append(f"exit code {self.code}")
        if _CONTROLS.search(self.text):
            found.append("control characters")
        return found


class Host:
    """The process whose children are the commands."""

    def __init__(self, cache: Path) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("RLM_")}
        more = {
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
            "RLM_CACHE_DIR": str(cache),
            "COLUMNS": "100",
        }
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("host.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**environment, **more, "TERM": "xterm"},
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def run(self, request: Request) -> Outcome:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(dataclasses.asdict(request)) + "\n")
        self._process.stdin.flush()
        return Outcome(**json.loads(self._process.stdout.readline()))

    def rlm(self, folder: Path, *arguments: str, **more: object) -> Outcome:
        """A command that starts in `folder`; `more` are fields of the request."""
        return self.run(Request(arguments=arguments, folder=str(folder), **more))  # type: ignore[arg-type]

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)
        self._process.stdout.close()


def content_of(folder: Path, *, with_logs: bool = True) -> dict[str, str]:
    """Every file and link below a folder, with a hash of what it holds."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.name in _COMES_AND_GOES or (path.name in _LOGS and not with_logs):
            continue
        if path.is_symlink():
            found[name] = f"link to {os.readlink(path)}"
        elif path.is_file() and path.stat().st_size < 1 << 30:
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        elif not path.is_dir():
            found[name] = "neither a file nor a folder"
    return found
