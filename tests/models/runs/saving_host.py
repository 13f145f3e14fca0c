"""Forks children that save checkpoints until they are killed; driven by test_checkpoint_kill.

Torch is imported once, here, and every child is a fork: it starts in milliseconds. Commands come
in on standard input, one a line: `FIRST_STEP POINT`. A child saves step after step from
FIRST_STEP; with a POINT above 0 it kills itself at that disk operation, counted over the first
save, and without it goes on until somebody kills it. Out come `pid N`, then `saved STEP` and
`weights STEP` once each save has returned, then `ended STATUS`.
"""

import itertools
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from models.runs.checkpoint import Snapshot, save_checkpoint, save_weights
from models.runs.run import Run
from models.runs.run_state import Counters, RunState, Schedule

OPERATIONS = ("open", "write", "fsync", "mkdir", "rename", "replace", "unlink", "rmdir")


def snapshot_of(step: int, size: int = 20_000) -> Snapshot:
    """Tensors and state that can be told from the step alone."""
    numbers = torch.arange(size, dtype=torch.float32) + step
    training = {"moment": -numbers, "seen": torch.tensor(step), "half": numbers.to(torch.bfloat16)}
    counters = Counters(step=step, tokens_seen=step * 7, best_loss=1 / step, mean_loss=2.5)
    state = RunState(counters=counters, schedule=Schedule.over(0, 1))
    return Snapshot(step, {"weight": numbers.reshape(-1, 10)}, training, state)


def say(text: str) -> None:
    os.write(1, f"{text}\n".encode())


def die_at(point: int) -> None:
    """Arm every disk operation to be this process's last once `point` of them were made."""
    count = itertools.count(1)

    def armed(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def operation(*args: Any, **kwargs: Any) -> Any:
            if next(count) == point:
                if name == "write":  # in the middle of it
                    original(args[0], bytes(args[1])[: len(args[1]) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*args, **kwargs)

        return operation

    for name in OPERATIONS:
        setattr(os, name, armed(name, getattr(os, name)))


def save_until_killed(run: Run, step: int, point: int) -> None:
    if point:
        say_safely, original_write = say, os.write  # the report is no disk operation
        die_at(point)
        save_checkpoint(run, snapshot_of(step), pointers=("latest", "pause"), keep=1)
        save_weights(run, snapshot_of(step).model, {"step": str(step)})
        os.write = original_write
        say_safely(f"saved {step}")
        say_safely(f"weights {step}")
        return
    while True:
        save_checkpoint(run, snapshot_of(step), pointers=("latest",), metadata={"format": "rlm"})
        say(f"saved {step}")
        save_weights(run, snapshot_of(step).model, {"step": str(step)})
        say(f"weights {step}")
        step += 1


def main() -> None:
    torch.set_num_threads(1)
    run = Run(Path(sys.argv[1]))
    for line in sys.stdin:
        step, point = map(int, line.split())
        pid = os.fork()
        if pid == 0:
            save_until_killed(run, step, point)
            os._exit(0)
        say(f"pid {pid}")
        say(f"ended {os.waitpid(pid, 0)[1]}")


if __name__ == "__main__":
    main()
