"""Which process this is, from the variables that torchrun sets."""

import pytest

from data.errors import UsageError
from models.processes.placement import placement

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
