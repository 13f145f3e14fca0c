"""Two processes that train together, for the tests of this folder."""

import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path

from models.runs.run import Run

PATIENCE_S = 60.0


class Hosts:
    """Two processes of one machine, connected. `spoil` is as in process_host.py.

    With `precise`, Muon computes in float32: bfloat16 turns the smallest difference into a larger one.
    """

    def __init__(self, cache: Path, spoil: str = "", *, precise: bool = False) -> None:
        root, port = Path(__file__).parents[3], _free_port()
        self.processes = [
            subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("process_host.py"))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={
                    **os.environ,
                    "PYTHONPATH": str(root),
                    "OMP_NUM_THREADS": "1",
                    "RLM_CACHE_DIR": str(cache),
                    "RANK": str(rank),
                    "WORLD_SIZE": "2",
                    "MASTER_ADDR": "127.0.0.1",
                    "MASTER_PORT": str(port),
                    "SPOIL": spoil,
                    "PRECISE": "yes" if precise else "",
                },
            )
            for rank in range(2)
        ]
        for rank in range(2):
            assert self._line(rank) == "ready"

    def train(self, run: Run, pause_after: int = -1, fail_in: str = "", *, shard: bool = False) -> str:
        """How the training of `run` ended: the name of its last event, or its error. Process 0 fails in its
        first `fail_in`, a `step` or an `evaluation`, where that is named. With `shard`, the two divide the
        weights."""
        first = self.processes[0]
        assert first.stdin is not None
        first.stdin.write(f"{'shard' if shard else 'train'} {run.path} {pause_after} {fail_in}\n")
        first.stdin.flush()
        return self._line(0).removeprefix("ended ").removeprefix("failed ")

    def interrupt_other(self) -> None:
        """Ctrl-C in the process that is not the first."""
        self.processes[1].send_signal(signal.SIGINT)

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.communicate()

    def _line(self, rank: int) -> str:
        output = self.processes[rank].stdout
        assert output is not None
        ready, _, _ = select.select([output], [], [], PATIENCE_S)
        assert ready, f"process {rank} says nothing"
        return output.readline().strip()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
