"""Forks children that train a run until they are killed; driven by test_kill.

Torch is imported once, here, so that a child starts in milliseconds. Each line on standard input
says from when on a child lives (`start`, or `saved`: from its first checkpoint on), how many more
seconds (below 0: it is not killed), and the folder of its run. Out comes `ready`, then for each
line `saved STEP` once each checkpoint is acknowledged, and `ended STATUS`.
"""

import os
import signal
import sys
import time
import traceback
from importlib import import_module
from pathlib import Path

import torch

from data.cache import set_cache_dir
from data.errors import UsageError
from models.generation import samples as sample
from models.runs.events import CheckpointSaved
from models.runs.run import Run
from models.training.trainer import train


def report(text: str) -> None:
    os.write(1, f"{text}\n".encode())


def train_and_exit(run: Run, first_save: int) -> None:
    """Train, and write a byte to `first_save` with each checkpoint."""
    code = 1
    try:
        for event in run.record(train(run)):
            if isinstance(event, CheckpointSaved):
                report(f"saved {event.step}")
                os.write(first_save, b"!")
        code = 0
    except UsageError as error:  # it was killed after its last word but one
        code = 0 if "is finished" in error.message else 1
    except Exception:
        traceback.print_exc()
    finally:
        os._exit(code)


def main() -> None:
    torch.set_num_threads(1)
    import_module("torch._dynamo")  # an optimizer does, which takes seconds in each child
    set_cache_dir(os.environ.get("RLM_CACHE_DIR"))
    sample.SAMPLE = sample.SAMPLE.changed(max_tokens=6)
    report("ready")
    for line in sys.stdin:
        since, seconds, folder = line.strip().split(" ", 2)
        first_save, child_end = os.pipe()
        pid = os.fork()
        if pid == 0:
            train_and_exit(Run(Path(folder)), child_end)
        os.close(child_end)
        if float(seconds) >= 0:
            if since == "saved":
                os.read(first_save, 1)
            time.sleep(float(seconds))
            os.kill(pid, signal.SIGKILL)  # ours until it is waited for, also where it is done
        report(f"ended {os.waitpid(pid, 0)[1]}")
        os.close(first_save)


if __name__ == "__main__":
    main()
