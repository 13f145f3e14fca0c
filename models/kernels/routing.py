"""What a router computes in training on a CPU, where every token takes every pass."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from models.kernels.calls import FORMATS, addresses, call, empty


def choose(chosen: Tensor, yes: Tensor, no: Tensor) -> Tensor:
    """`yes` (B, H, T, K) for the tokens that are True in `chosen` (B, T), `no` (B, H, T, K) for the others.

    Each gradient is that of the result where it was taken, else 0.
    """
    found: Tensor = _Choose.apply(chosen, yes, no)
    return found


def weighted_sum(states: list[Tensor], weights: Tensor) -> Tensor:
    """The sum (…, D) of N `states` (…, D) of one format, weighted by `weights` (…, N) in float32.

    With g the gradient of the sum, that of a state is g times its weight, and that of a weight is the sum of
    g times its state.
    """
    found: Tensor = _WeightedSum.apply(weights, *states)
    return found


class _Choose(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, chosen: Tensor, yes: Tensor, no: Tensor) -> Tensor:
        chosen, yes, no = chosen.contiguous(), yes.contiguous(), no.contiguous()
        out, ctx.sizes = torch.empty_like(yes), (*yes.shape[:3], yes.size(-1) * yes.element_size())
        call("rlm_choose", out, yes, no, chosen, *ctx.sizes)
        ctx.save_for_backward(chosen)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor, Tensor]:
        (chosen,), g = ctx.saved_tensors, gradients[0].contiguous()
        of_yes, of_no = torch.empty_like(g), torch.empty_like(g)
        call("rlm_choose", of_yes, g, None, chosen, *ctx.sizes)
        call("rlm_choose", of_no, None, g, chosen, *ctx.sizes)
        return None, of_yes, of_no


class _WeightedSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weights: Tensor, *states: Tensor) -> Tensor:
        weights, states = weights.contiguous(), tuple(one.contiguous() for one in states)
        dtype, width = states[0].dtype, states[0].size(-1)
        out, ctx.sizes = empty(states[0].shape, dtype), (len(states), weights.numel() // len(states), width)
        call("rlm_weighted_sum", out, addresses(states), FORMATS[dtype], weights, *ctx.sizes)
        ctx.save_for_backward(weights, *states)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        (weights, *states), g = ctx.saved_tensors, gradients[0]
        g, of_weights = g.to(states[0].dtype).contiguous(), torch.empty_like(weights)
        of_states = [torch.empty_like(one) for one in states]
        call("rlm_weighted_sum_gradient", addresses(of_states), of_weights, g, addresses(states),
             FORMATS[g.dtype], weights, *ctx.sizes)  # fmt: skip
        return of_weights, *of_states
