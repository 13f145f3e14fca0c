"""What a training needs so that several processes can share it."""

from dataclasses import replace

import torch

from data.errors import UsageError
from data.wording import counted
from models.config import TrainingConfig
from models.processes.placement import Processes
from models.training.sharding import require_shardable


def require_trainable_in(
    processes: Processes,
    training: TrainingConfig,
    device: torch.device,
    *,
    is_batch_known: bool = True,
    solves_puzzles: bool = False,
) -> None:
    """Raise UsageError where `processes` cannot train on devices of that kind. Where the batch is not known
    yet, it is not judged."""
    if not is_batch_known:
        training = replace(training, batch_size=processes.count)
    require_divisible(training, processes.count)
    if processes.shard:
        require_shardable(training, processes.count, solves_puzzles=solves_puzzles)
    require_gpus(device, processes.here)


def require_divisible(training: TrainingConfig, processes: int) -> None:
    """Raise UsageError where a batch has fewer sequences than there are processes."""
    if training.batch_size < processes:
        raise UsageError(
            f"A batch of {training.batch_size} cannot be divided among {processes} processes.",
            hint="Start fewer processes, or train with a larger {training.batch_size}.",
        )


def require_gpus(device: torch.device, processes: int) -> None:
    """Raise UsageError where so many processes of this machine train on GPUs, and there are not as many."""
    if device.type == "cuda" and processes > (gpus := torch.cuda.device_count()):
        raise UsageError(
            f"This machine has {counted(gpus, 'GPU')} for {processes} processes.",
            hint="Start as many processes as there are GPUs, or train on processors: {training.device=cpu}",
        )
