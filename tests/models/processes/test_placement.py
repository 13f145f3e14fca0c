"""Which process this is, from the variables that torchrun sets."""

import socket
from datetime import timedelta

import pytest
from torch.distributed import HashStore

from data.errors import UsageError
from models.processes import group
from models.processes.placement import Placement, placement

TORCHRUN = {
    "RANK": "5",
    "WORLD_SIZE": "8",
    "LOCAL_RANK": "1",
    "LOCAL_WORLD_SIZE": "4",
    "TORCHELASTIC_RESTART_COUNT": "2",
    "TORCHELASTIC_RUN_ID": "book",
}


def test_without_torchrun_there_is_none() -> None:
    assert placement({}) is None and placement({"RANK": "0"}) is None


def test_all_of_it() -> None:
    found = placement(TORCHRUN)
    assert found is not None
    assert (found.rank, found.count, found.local_rank, found.local_count) == (5, 8, 1, 4)
    assert (found.restarts, found.launch, found.is_named) == (2, "book", True)


def test_a_process_with_a_machine_of_its_own() -> None:
    found = placement({"RANK": "3", "WORLD_SIZE": "4"})  # as Kubernetes starts it
    assert found is not None and (found.local_rank, found.local_count) == (0, 1)


def test_a_launch_without_a_name_is_that_of_the_process_that_started_it() -> None:
    found = placement({**TORCHRUN, "TORCHELASTIC_RUN_ID": "none"})
    assert found is not None and not found.is_named and found.launch.startswith("none-")


@pytest.mark.parametrize(
    "changed", [{"RANK": "8"}, {"RANK": "-1"}, {"WORLD_SIZE": "two"}, {"LOCAL_RANK": "4"}, {"RANK": ""}]
)
def test_what_cannot_be_is_refused(changed: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="do not say which process this is"):
        placement({**TORCHRUN, **changed})


def test_process_0_may_never_come(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]  # nobody listens there any more
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", str(port))
    monkeypatch.setattr(group, "LONGEST_SEARCH", timedelta(seconds=0.1))
    with pytest.raises(UsageError, match="The processes cannot reach each other"):
        group.ProcessGroup.join(Placement(rank=1, count=2))


def test_a_port_that_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
        monkeypatch.setenv("MASTER_PORT", str(taken.getsockname()[1]))
        with pytest.raises(UsageError, match="The processes cannot reach each other") as refused:
            group.ProcessGroup.join(Placement(rank=0, count=2))
    assert refused.value.hint is not None and "--master-port" in refused.value.hint


def test_a_torch_without_gloo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group.dist, "is_gloo_available", lambda: False)
    with pytest.raises(UsageError, match="it has no gloo"):
        group.ProcessGroup.join(Placement(rank=0, count=2))


@pytest.mark.parametrize(("gpus", "backend"), [(1, "gloo"), (2, "cpu:gloo,cuda:nccl")])
def test_processes_for_which_there_are_no_gpus_exchange_over_processors(
    monkeypatch: pytest.MonkeyPatch, gpus: int, backend: str
) -> None:
    joined: list[str] = []
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: gpus)
    monkeypatch.setattr("torch.cuda.set_device", lambda number: None)
    monkeypatch.setattr(group, "rendezvous", lambda *_, **__: iter([(HashStore(), 1, 2)]))
    monkeypatch.setattr(group.dist, "init_process_group", lambda name, **_: joined.append(name))
    group.ProcessGroup.join(Placement(rank=1, count=2, local_rank=1, local_count=2))
    assert joined == [backend]
