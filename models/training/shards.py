"""Weights that the processes of a training divide among themselves: each holds some rows of every tensor.

PyTorch's FSDP2 (`torch.distributed.fsdp.fully_shard`; after Zhao et al. 2023, arXiv 2304.11277) puts the rows
of a block together just before it is computed, and lets go of them after it. Its gradients are sums over
the processes, divided in the same way. A tensor in parts is a DTensor; its shape is that of the whole.

The modules of FSDP2 take half a second to import, so only a training that divides its weights imports them.
"""

from collections.abc import Mapping
from types import MethodType
from typing import TYPE_CHECKING, TypeGuard

import torch
from torch import Tensor, nn

from models.depth import Depth
from models.layers.block import Block
from models.recursive_lm import RecursiveLM

if TYPE_CHECKING:
    from torch.distributed.device_mesh import DeviceMesh
    from torch.distributed.tensor import DTensor


def divide(model: RecursiveLM, device: torch.device, processes: int) -> "DeviceMesh":
    """Keep this process's rows of every weight of `model`, on `device`; return the mesh over the processes.

    Every process calls it with a model of the same shape. From then on, every call of the model takes all
    processes.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method

    mesh = init_device_mesh(device.type, (processes,))
    used_in_part = [getattr(model, name) for name in model.blocks_used_in_part]  # whole in each call
    for block in [part for part in model.modules() if isinstance(part, Block) and part not in used_in_part]:
        fully_shard(block, mesh=mesh)
    fully_shard(model, mesh=mesh)
    for part in model.modules():
        if isinstance(part, FSDPModule):
            # The loss of a piece is its share of that of the batch, so gradients are added, not averaged.
            part.set_gradient_divide_factor(1.0)
            part.set_force_sum_reduction_for_comms(True)
    register_fsdp_forward_method(model, "training_loss")
    # One call for each depth. What an architecture computes at once for all does not pass through `forward`.
    setattr(model, "outputs", MethodType(RecursiveLM.outputs, model))  # noqa: B010  # mypy: a method
    model.register_forward_hook(_let_go)
    _prepare(model, device)
    return mesh


def _let_go(model: nn.Module, _inputs: object, _output: object) -> None:
    """Free the whole weights that FSDP keeps for a backward pass, where there will be none."""
    from torch.distributed.fsdp import FSDPModule

    if not torch.is_grad_enabled() and isinstance(model, FSDPModule):
        model.reshard()


def _prepare(model: RecursiveLM, device: torch.device) -> None:
    """Compute one token: FSDP makes its memory in the first call, and what is made in `torch.inference_mode`
    could not be trained with."""
    was_training = model.training
    model.eval()
    with torch.no_grad():
        model(torch.zeros(1, 1, dtype=torch.long, device=device), Depth(1))
    model.train(was_training)


def is_divided(tensor: Tensor) -> "TypeGuard[DTensor]":
    """Whether this process holds only a part of `tensor`."""
    return hasattr(tensor, "full_tensor")  # as a DTensor alone has


def part_of(whole: Tensor, mesh: "DeviceMesh") -> "DTensor":
    """`whole` in parts: this process copies its rows to its device."""
    from torch.distributed.tensor import DTensor, Shard

    processes, rank = mesh.size(), mesh.get_local_rank()
    most = -(-len(whole) // processes)
    rows = whole[rank * most : (rank + 1) * most]
    own = torch.empty(rows.shape, dtype=whole.dtype, device=_device_of(mesh)).copy_(rows)
    return DTensor.from_local(
        own, mesh, [Shard(0)], run_check=False, shape=whole.shape, stride=whole.stride()
    )


def _device_of(mesh: "DeviceMesh") -> torch.device:
    if mesh.device_type == "cuda":
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device(mesh.device_type)


def whole(tensor: Tensor) -> Tensor:
    """All of `tensor`. Where it is in parts, every process calls this, and each gets all of it."""
    return tensor.full_tensor() if is_divided(tensor) else tensor


def whole_in_memory(tensors: Mapping[str, Tensor], *, wanted: bool) -> dict[str, Tensor]:
    """All of each of `tensors`, in main memory; nothing where they are not `wanted` in this process. Every
    process calls this with tensors of the same names. Those that are the same memory stay so."""
    found, by_address = dict[str, Tensor](), dict[object, Tensor]()
    for name in sorted(tensors):  # moments were made in another order in each process
        tensor = tensors[name]
        gathered = whole(tensor).detach()
        if wanted:
            local = tensor.to_local() if is_divided(tensor) else tensor
            address = (local.data_ptr() or name, tensor.shape, tensor.dtype)
            found[name] = by_address.setdefault(address, gathered.cpu())
    return {name: found[name] for name in tensors if wanted}


def own_parts(weight: Tensor, parts: int) -> list[tuple[Tensor, slice]]:
    """The rows of `weight` (rows, columns) that this process holds of each of its `parts`, stacked along the
    rows: a view of them, and which rows of the part they are."""
    height = weight.size(0) // parts
    if not is_divided(weight):
        return [(part, slice(None)) for part in weight.data.chunk(parts)]
    local, mesh = weight.to_local().detach(), weight.device_mesh
    first = mesh.get_local_rank() * -(-weight.size(0) // mesh.size())
    found = []
    for number in range(parts):
        top = number * height
        begin, end = max(first, top), min(first + len(local), top + height)
        end = max(begin, end)
        found.append((local[begin - first : end - first], slice(begin - top, end - top)))
    return found
