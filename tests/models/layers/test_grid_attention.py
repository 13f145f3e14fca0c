"""Heads that see all cells, and heads that take one neighbour each."""

import pytest
import torch

from data.maze_kind import MazeKind
from models.layers.attention import AttentionContext
from models.layers.grid_attention import GridAttention

CONTEXT = AttentionContext(causal=False)


def module(heads: int = 5) -> GridAttention:
    torch.manual_seed(0)
    found = GridAttention(8 * heads, heads, torch.tensor(MazeKind().layout(81).neighbours))
    with torch.no_grad():
        for weight in found.parameters():
            torch.nn.init.normal_(weight, std=0.3)
    return found


def test_heads_take_the_cell_above_below_left_and_right() -> None:
    attention = module()
    with torch.no_grad():
        attention.out.weight.copy_(torch.eye(40))
        x = torch.randn(2, 81, 40)
        y = attention(x, CONTEXT, 0).view(2, 9, 9, 5, 8)
        value = attention.value(x).view(2, 9, 9, 5, 8)
    for head, (down, right) in enumerate(((-1, 0), (1, 0), (0, -1), (0, 1)), start=1):
        assert torch.equal(y[:, 4, 4, head], value[:, 4 + down, 4 + right, head])
    assert torch.equal(y[:, 0, 4, 1], value[:, 0, 4, 1])  # above the first row there is only the cell itself
    assert torch.equal(y[:, 4, 8, 4], value[:, 4, 8, 4])


def test_the_first_head_sees_all_cells() -> None:
    attention = module()
    x = torch.randn(1, 81, 40)
    changed = x.clone()
    changed[0, 80] += 1
    with torch.no_grad():
        difference = (attention(x, CONTEXT, 0) - attention(changed, CONTEXT, 0)).abs().amax(dim=2)[0]
    assert (difference > 0).all()


@pytest.mark.parametrize(("heads", "free"), [(1, 1), (2, 1), (4, 1), (5, 1), (6, 2), (10, 2)])
def test_every_fifth_head_is_free(heads: int, free: int) -> None:
    attention = module(heads)
    assert attention.n_free == free
    assert attention(torch.randn(1, 81, 8 * heads), CONTEXT, 0).shape == (1, 81, 8 * heads)
