"""Models of mazes and of strings: which cells they answer, and with what."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from data.errors import UsageError
from data.maze_grid import PATH, WAY
from data.maze_kind import MazeKind
from data.puzzle_kind import PuzzleKind
from data.puzzle_kinds import kind_of, layout_of
from models.architectures import build_model, model_config
from models.architectures.puzzle_model import PuzzleModel
from models.planning.puzzle_defaults import puzzle_architectures, puzzle_model_defaults

KINDS: list[tuple[PuzzleKind, int]] = [(MazeKind(), 81), (kind_of("grid", "abcd"), 6)]
SMALL = {"d_model": 40, "d_feed_forward": 32, "supervision_steps": 3, "max_steps": 1}
every_kind = pytest.mark.parametrize(("kind", "cells"), KINDS, ids=["maze", "grid"])
every_model = pytest.mark.parametrize(
    ("architecture", "more"), [*((name, {}) for name in puzzle_architectures()), ("trm", {"mixer": "mlp"})]
)


def new_model(kind: PuzzleKind, cells: int, architecture: str, **more: Any) -> PuzzleModel:
    torch.manual_seed(0)
    symbols = len(kind.layout(cells).is_asked)
    own = {
        "architecture": architecture, "task": kind.task, "vocab_size": symbols, "context_length": cells
    }  # fmt: skip
    model = build_model(
        model_config({**puzzle_model_defaults(architecture, kind, cells), **SMALL, **more, **own})
    )
    assert isinstance(model, PuzzleModel)
    return model


def puzzles(kind: PuzzleKind, cells: int, count: int = 4) -> tuple[Tensor, Tensor]:
    if kind.has_rules:
        grids, solutions = (np.stack(part) for part in zip(*kind.generate(cells, count, 0), strict=True))
    else:
        grids = np.random.default_rng(0).integers(0, 4, (count, cells))
        solutions = grids[:, ::-1].copy()
    return torch.from_numpy(grids.astype(np.int64)), torch.from_numpy(solutions.astype(np.int64))


@every_kind
@every_model
def test_only_what_is_asked_is_answered_and_only_with_what_may_be(
    kind: PuzzleKind, cells: int, architecture: str, more: dict[str, Any]
) -> None:
    model = new_model(kind, cells, architecture, **more)
    grids, _ = puzzles(kind, cells)
    with torch.no_grad():
        model.head.weight.normal_()
        answers = model.predict(grids, 2).answers
    layout = kind.layout(cells)
    asked = torch.from_numpy(layout.is_asked)[grids]
    assert torch.equal(answers[~asked], grids[~asked])
    assert {*answers[asked].tolist()} <= {*np.flatnonzero(layout.is_answer).tolist()}
    if kind.task == "maze":
        assert {*answers[asked].tolist()} <= {WAY, PATH} and not asked[grids != WAY].any()
    else:
        assert asked.all()


@every_kind
@every_model
def test_a_few_steps_lower_the_loss_and_move_every_weight(
    kind: PuzzleKind, cells: int, architecture: str, more: dict[str, Any]
) -> None:
    model = new_model(kind, cells, architecture, **more)
    grids, solutions = puzzles(kind, cells, 8)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    losses, moved = list[float](), set[str]()
    for _ in range(8):
        optimizer.zero_grad()
        thought = model.ponder(grids)
        parts = model.puzzle_loss(thought, grids, solutions, torch.ones(8))
        parts.total.backward()
        losses.append(float(parts.answer))
        moved |= {name for name, w in model.named_parameters() if w.grad is not None and w.grad.any()}
        optimizer.step()
    assert losses[-1] < losses[0]
    assert moved == {name for name, _ in model.named_parameters()}


def test_cells_that_are_not_asked_have_no_loss() -> None:
    kind = MazeKind()
    model = new_model(kind, 81, "trm")
    grids, solutions = puzzles(kind, 81)
    with torch.no_grad():
        thought = model.ponder(grids)
        loss = model.puzzle_loss(thought, grids, solutions, torch.ones(4)).answer
        thought.logits[grids != WAY] = torch.randn_like(thought.logits[grids != WAY])
        assert torch.equal(model.puzzle_loss(thought, grids, solutions, torch.ones(4)).answer, loss)
        thought.logits[grids == WAY] = torch.randn_like(thought.logits[grids == WAY])
        assert model.puzzle_loss(thought, grids, solutions, torch.ones(4)).answer != loss


@pytest.mark.parametrize(
    ("task", "symbols", "cells", "words"),
    [
        ("sudoku", 7, 16, "16 cells and 7 symbols fits no Sudoku"),
        ("maze", 5, 64, "64 cells and 5 symbols fits no maze"),
        ("maze", 6, 81, "fits no maze"),
        ("grid", 3, 901, "fits no string"),
        ("grid", 256, 9, "fits no string"),
    ],
)
def test_sizes_that_no_puzzle_has_are_refused(task: str, symbols: int, cells: int, words: str) -> None:
    for ask in (
        lambda: layout_of(task, symbols, cells),
        lambda: model_config(
            {"architecture": "trm", "task": task, "vocab_size": symbols, "context_length": cells}
        ),
    ):
        with pytest.raises(UsageError, match=words):
            ask()
