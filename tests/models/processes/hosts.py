"""Two processes that train together, for the tests of this folder."""

import multiprocessing
import os
import signal
import socket
from multiprocessing.connection import Connection
from pathlib import Path
from unittest import mock

from models.runs.run import Run

PATIENCE_S = 60.0
_ROOT = Path(__file__).parents[3]


class Hosts:
    """Two processes of one machine, connected. `spoil` is as in process_host.py.

    With `precise`, Muon computes in float32: bfloat16 turns the smallest difference into a larger one. With
    `on_two_machines`, they do not know that they are on the same one. They are forked from a process in which
    everything is imported, since that takes longer than most trainings.
    """

    def __init__(
        self, cache: Path, spoil: str = "", *, precise: bool = False, on_two_machines: bool = False
    ) -> None:
        forks = multiprocessing.get_context("forkserver")
        forks.set_forkserver_preload(["tests.models.processes.process_host"])
        port = _free_port()
        self.processes: list[multiprocessing.process.BaseProcess] = []
        self._ends: list[Connection] = []
        for rank in range(2):
            ours, theirs = forks.Pipe()
            environment = {
                "RLM_CACHE_DIR": str(cache),
                "RANK": str(rank),
                "WORLD_SIZE": "2",
                "LOCAL_RANK": "0" if on_two_machines else str(rank),
                "LOCAL_WORLD_SIZE": "1" if on_two_machines else "2",
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": str(port),
                "TORCH_FR_BUFFER_SIZE": "0",
                "SPOIL": spoil,
                "PRECISE": "yes" if precise else "",
            }
            process = forks.Process(target=_host, args=(theirs, environment))
            with mock.patch.dict(os.environ, {"PYTHONPATH": str(_ROOT), "OMP_NUM_THREADS": "1"}):
                process.start()  # the first one starts the process that forks
            theirs.close()
            self.processes.append(process)
            self._ends.append(ours)
        for rank in range(2):
            assert self._answer(rank) == "ready"

    def train(self, run: Run, pause_after: int = -1, fail_in: str = "", *, shard: bool = False) -> str:
        """How the training of `run` ended: the name of its last event, or its error. Process 0 fails in its
        first `fail_in`, a `step` or an `evaluation`, where that is named. With `shard`, the two divide the
        weights."""
        self._ends[0].send(("shard" if shard else "train", str(run.path), pause_after, fail_in))
        return self._answer(0).removeprefix("ended ").removeprefix("failed ")

    def interrupt_other(self) -> None:
        """Ctrl-C in the process that is not the first."""
        assert self.processes[1].pid is not None
        os.kill(self.processes[1].pid, signal.SIGINT)

    def close(self) -> None:
        for process, end in zip(self.processes, self._ends, strict=True):
            process.kill()
            process.join()
            end.close()

    def _answer(self, rank: int) -> str:
        assert self._ends[rank].poll(PATIENCE_S), f"process {rank} says nothing"
        try:
            answer: str = self._ends[rank].recv()
        except EOFError:
            self.processes[rank].join(PATIENCE_S)
            raise AssertionError(f"process {rank} ended: {self.processes[rank].exitcode}") from None
        return answer


def _host(end: Connection, environment: dict[str, str]) -> None:
    from tests.models.processes.process_host import main  # only here: it imports much

    os.environ.update(environment)
    main(end)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
