"""Runs commands of `rlm`, each in a child forked from a process in which everything is imported.

Every line on standard input is a request in JSON; every line on standard output is its outcome. The fields of
both are those of `Request` and `Outcome` in `tests/fire/commands.py`.
"""

import contextlib
import importlib
import json
import os
import pty
import select
import signal
import sys
import termios
import time
import traceback
from pathlib import Path
from typing import Any

import torch

from rlm_cli.__main__ import main as rlm
from tests.fire.kill_switch import KillSwitch

ROOT = Path(__file__).parents[2]
LONG_QUIET = 8
"""Waits without output after which a command is taken to read a line in spite of the echo."""


def import_everything() -> None:
    """Import every module of the core and the front end, as a first command would."""
    for package in ("data", "models", "rlm_cli"):
        for path in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            if not name.endswith(("__init__", "__main__")):
                importlib.import_module(name)
    others = ("torch._dynamo", "prompt_toolkit.shortcuts", "filelock", "safetensors.torch", "rich.progress")
    for name in others:
        importlib.import_module(name)


def serve(request: dict[str, Any]) -> dict[str, Any]:
    """Run one command in a child, and tell how it went."""
    operations, operations_end = os.pipe()
    if request["tty"]:
        pid, terminal = pty.fork()
        output = terminal
    else:
        output, output_end = os.pipe()
        stdin, stdin_end = os.pipe()
        pid = os.fork()
    if pid == 0:
        if not request["tty"]:
            for number, descriptor in enumerate((stdin, output_end, output_end)):
                os.dup2(descriptor, number)
            os.closerange(stdin, stdin_end + 1)
        run_and_exit(request, operations_end)
    os.close(operations_end)
    if request["tty"]:
        outcome = watch(pid, output, terminal, request)
    else:
        os.close(output_end)
        os.close(stdin)
        with contextlib.suppress(BrokenPipeError):
            os.write(stdin_end, request["stdin"].encode())
        os.close(stdin_end)
        outcome = watch(pid, output, None, request)
    os.close(output)
    with os.fdopen(operations, "rb") as pipe:
        count = pipe.read()
    return {**outcome, "operations": int(count or b"0")}


def run_and_exit(request: dict[str, Any], operations: int) -> None:
    """Be the command: never returns."""
    code = 70
    try:
        os.setsid() if not request["tty"] else None
        os.chdir(request["folder"])
        os.environ.update(request["environment"])
        sys.stdin = os.fdopen(0, "r", closefd=False)
        sys.stdout = os.fdopen(1, "w", closefd=False, encoding="utf-8")
        sys.stderr = os.fdopen(2, "w", closefd=False, encoding="utf-8")
        sys.argv = ["rlm", *request["arguments"]]
        signal.signal(signal.SIGINT, signal.default_int_handler)
        switch = KillSwitch(request["kill_at"])
        rlm()
    except SystemExit as exit:
        code = exit.code if isinstance(exit.code, int) else 0 if exit.code is None else 1
        os.write(operations, str(switch.count).encode())
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
        with contextlib.suppress(Exception):
            sys.stderr.flush()
        os._exit(code)


def echoes(terminal: int) -> bool:
    """Whether the terminal shows what is typed: the command does not read keys by itself, or not yet."""
    try:
        return bool(termios.tcgetattr(terminal)[3] & termios.ECHO)
    except termios.error:  # the command has just ended
        return True


def watch(pid: int, output: int, terminal: int | None, request: dict[str, Any]) -> dict[str, Any]:
    """Gather what the child writes until it ends, or until its time is over and it is killed."""
    written, hung = b"", False
    deadline = time.monotonic() + request["patience_s"]
    keys = request["stdin"].encode() if terminal is not None else b""
    quiet = 0
    while True:
        ready, _, _ = select.select([output], [], [], 0.3 if keys else 1.0)
        if ready:
            try:
                piece = os.read(output, 1 << 16)
            except OSError:  # the terminal is closed
                piece = b""
            if not piece:
                break
            written += piece
            quiet = 0
            continue
        quiet += 1
        if terminal is not None and (quiet > LONG_QUIET or not echoes(terminal)):
            # It waits for a line, and after the last one for the end. What is typed before it reads is
            # echoed by the terminal as it is.
            line, _, keys = keys.partition(b"\n")
            os.write(terminal, line + b"\r" if line else b"\x04")
        if time.monotonic() > deadline:
            hung = True
            os.kill(pid, signal.SIGKILL)
            break
    _, status = os.waitpid(pid, 0)
    return {"code": os.waitstatus_to_exitcode(status), "hung": hung, "output": written.decode("latin-1")}


def main() -> None:
    torch.set_num_threads(1)
    import_everything()
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    replies.write("ready\n")
    for line in sys.stdin:
        replies.write(json.dumps(serve(json.loads(line))) + "\n")


if __name__ == "__main__":
    main()
