"""What holds for every architecture that solves puzzles: bounded states, live gradients, early exit."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from data.sudoku_generator import generate
from data.sudoku_kind import SudokuKind
from models.architectures import build_model, model_config
from models.architectures.puzzle_model import PuzzleModel
from models.layers.block import Block
from models.planning.puzzle_defaults import puzzle_architectures, puzzle_model_defaults

KINDS = [
    *((name, {}) for name in puzzle_architectures()),
    ("trm", {"mixer": "mlp"}),
    ("trm", {"output": "stablemax", "attention_scope": "all", "positions": "learned"}),
    ("hrm", {"max_cycles": 2, "gradient_cycles": 2, "checkpoint_gradients": True}),
]
every_kind = pytest.mark.parametrize(
    "kind", KINDS, ids=lambda kind: "-".join([kind[0], *map(str, kind[1].values())])
)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def new_model(kind: tuple[str, dict[str, Any]], size: int = 4, **more: Any) -> PuzzleModel:
    name, options = kind
    fixed = {"architecture": name, "task": "sudoku", "vocab_size": size + 1, "context_length": size**2}
    torch.manual_seed(0)
    small = {"d_model": 32, "d_feed_forward": 48, "supervision_steps": 4}
    model = build_model(
        model_config(
            {**puzzle_model_defaults(name, SudokuKind(), size**2), **small, **options, **more, **fixed}
        )
    )
    assert isinstance(model, PuzzleModel)
    return model


def stirred(model: PuzzleModel) -> PuzzleModel:
    with torch.no_grad():
        for weight in model.parameters():
            spread = 0.4 * weight.size(-1) ** -0.5 if weight.ndim >= 2 else 0.1
            weight.add_(torch.randn_like(weight) * spread)
    return model.eval()


def puzzles(count: int, size: int = 4) -> tuple[Tensor, Tensor]:
    made = list(generate(size, count, seed=3))
    grids, solutions = (np.stack(part).astype(np.int64) for part in zip(*made, strict=True))
    return torch.from_numpy(grids), torch.from_numpy(solutions)


def loss_of(model: PuzzleModel, grids: Tensor, solutions: Tensor, steps: int = 1) -> Tensor:
    states = None
    for _ in range(steps):
        thought = model.ponder(grids, states)
        states = tuple(state.detach() for state in thought.states)
    return model.puzzle_loss(thought, grids, solutions, torch.full((len(grids),), steps)).total


@every_kind
def test_states_are_bounded_through_four_times_the_steps_of_training(
    kind: tuple[str, dict[str, Any]],
) -> None:
    model = stirred(new_model(kind))
    grids, _ = puzzles(3)
    sizes: list[float] = []
    states = None
    with torch.no_grad():
        for _ in range(4 * model.config.supervision_steps):
            thought = model.ponder(grids, states)
            states = thought.states
            sizes += [float(state.square().mean().sqrt()) for state in states]
    assert max(sizes) < 3 * min(sizes)


@every_kind
def test_every_weight_learns_within_five_steps(kind: tuple[str, dict[str, Any]]) -> None:
    model = new_model(kind)
    grids, solutions = puzzles(8)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    moved: set[str] = set()
    for _ in range(5):
        optimizer.zero_grad()
        loss_of(model, grids, solutions).backward()
        for name, weight in model.named_parameters():
            if weight.grad is not None and weight.grad.any():
                assert torch.isfinite(weight.grad).all()
                moved.add(name)
        optimizer.step()
    assert moved == {name for name, _ in model.named_parameters()}


@every_kind
def test_each_step_gives_its_own_answer_and_costs_the_same(kind: tuple[str, dict[str, Any]]) -> None:
    model = stirred(new_model(kind))
    grids, _ = puzzles(2)
    calls: list[int] = []
    for part in model.modules():
        if isinstance(part, Block):
            part.register_forward_hook(lambda module, inputs, output: calls.append(1))
    with torch.no_grad():
        first = model.ponder(grids)
        assert len(calls) == model.attention_calls(model.trained_depth)
        second = model.ponder(grids, first.states)
    assert len(calls) == 2 * model.attention_calls(model.trained_depth)
    assert not torch.allclose(first.logits, second.logits, atol=1e-4)


def noise(count: int, seed: int, digits: int = 4) -> tuple[Tensor, Tensor]:
    """Grids of digits drawn one by one, about half of them left blank: clues say nothing of the rest."""
    draw = torch.Generator().manual_seed(seed)
    solutions = torch.randint(1, digits + 1, (count, digits**2), generator=draw)
    return solutions * torch.randint(0, 2, solutions.shape, generator=draw), solutions


@every_kind
def test_random_solutions_are_never_predicted(kind: tuple[str, dict[str, Any]]) -> None:
    """LoadedModel again and again on the same few, it may know these; of others it must know nothing."""
    floor = math.log(4) - 0.02
    model = new_model(kind).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for step in range(24):
        grids, solutions = noise(16, seed=step % 3)
        optimizer.zero_grad()
        loss_of(model, grids, solutions, steps=1 + step % 2).backward()
        optimizer.step()
    model.eval()
    grids, solutions = noise(512, seed=99)
    blank = grids == 0
    for steps in (1, model.config.supervision_steps):
        found = model.predict(grids, steps, sure=1.0)
        losses = torch.nn.functional.cross_entropy(found.logits.mT, solutions, reduction="none")
        assert float(losses[blank].mean()) >= floor
        right = (found.answers == solutions)[blank].float().mean()
        assert float(right) < 0.25 + 4 * (0.25 * 0.75 / int(blank.sum())) ** 0.5


@every_kind
def test_the_same_seed_gives_the_same_losses(kind: tuple[str, dict[str, Any]]) -> None:
    def losses() -> list[float]:
        model = new_model(kind, dropout=0.1)
        optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
        found = []
        for _ in range(4):
            optimizer.zero_grad()
            loss = loss_of(model, *puzzles(4), steps=2)
            loss.backward()
            optimizer.step()
            found.append(loss.item())
        return found

    first = losses()
    assert first == losses()
    assert len(set(first)) == len(first)


@every_kind
def test_puzzles_of_a_batch_do_not_see_each_other(kind: tuple[str, dict[str, Any]]) -> None:
    model = stirred(new_model(kind))
    grids, _ = puzzles(3)
    with torch.no_grad():
        together, alone = model.ponder(grids), model.ponder(grids[1:2])
    assert torch.allclose(together.logits[1:2], alone.logits, atol=1e-5)


def test_recomputing_activations_changes_no_gradient() -> None:
    gradients = []
    for checkpointing in (False, True):
        model = new_model(("trm", {"checkpoint_gradients": checkpointing}))
        loss_of(stirred(model).train(), *puzzles(4), steps=2).backward()
        gradients.append([weight.grad for weight in model.parameters()])
    for one, other in zip(*gradients, strict=True):
        assert one is not None and other is not None
        assert torch.allclose(one, other, atol=1e-6)


def test_heads_see_the_cells_of_their_units() -> None:
    """A cell can tell nothing of one that shares no unit with it, where the head for all is left out."""
    model = stirred(new_model(("trm", {"max_steps": 1})))
    assert model.seen is not None
    seen = model.seen[0]  # (H, T, T): all, the row, the column, the box
    assert seen[0].all()
    assert seen[1:, 0].any(dim=0).nonzero().flatten().tolist() == [0, 1, 2, 3, 4, 5, 8, 12]
    assert new_model(("trm", {"attention_scope": "all"})).seen is None


def test_answers_keep_the_clues() -> None:
    model = stirred(new_model(("trm", {})))
    grids, _ = puzzles(4)
    with torch.no_grad():
        answers = model.answers(model.ponder(grids), grids)
    assert torch.equal(answers[grids > 0], grids[grids > 0])
    assert answers.min() >= 1


def sure_of(model: PuzzleModel, steps: list[int]) -> None:
    """Make the model sure of the n-th puzzle of a batch after `steps[n]` steps, whatever it thinks."""
    taken = {number: 0 for number in range(len(steps))}
    alive = list(taken)

    def halting(state: Tensor) -> Tensor:
        nonlocal alive
        assert len(state) == len(alive), "a puzzle that left was computed again"
        for number in alive:
            taken[number] += 1
        verdicts = torch.tensor([9.0 if taken[number] >= steps[number] else -9.0 for number in alive])
        alive = [number for number in alive if taken[number] < steps[number]]
        return verdicts[:, None]

    model.halting.forward = halting  # type: ignore[method-assign]


def test_a_puzzle_that_left_is_not_computed_again() -> None:
    model = stirred(new_model(("trm", {})))
    grids, _ = puzzles(3)
    with torch.no_grad():
        states, after = None, []
        for _ in range(6):
            thought = model.ponder(grids, states)
            states = thought.states
            after.append(model.answers(thought, grids))
    sure_of(model, [2, 1, 9])
    found = model.predict(grids, 6, keep_trail=True)
    assert found.exit_steps.tolist() == [2, 1, 6]
    for row, step in enumerate((2, 1, 6)):
        assert torch.equal(found.answers[row], after[step - 1][row])
    assert len(found.trail) == 6
    assert torch.equal(found.trail[0], after[0])


def test_a_higher_threshold_means_more_steps() -> None:
    model = stirred(new_model(("trm", {})))
    grids, _ = puzzles(8)
    exits = [float(model.predict(grids, 8, sure=sure).exit_steps.float().mean()) for sure in (0.0, 0.5, 1.0)]
    assert exits[0] == 1 and exits[-1] == 8
    assert exits == sorted(exits)


@every_kind
def test_the_losses_of_parts_add_up_to_that_of_the_batch(kind: tuple[str, dict[str, Any]]) -> None:
    """A piece of a batch with many blanks counts more than one with few."""
    model = stirred(new_model(kind)).train()
    grids, solutions = puzzles(8)
    grids[:2] = torch.where(torch.arange(16) < 2, 0, solutions[:2])  # nearly solved
    taken = torch.arange(8) % 4 + 1
    gradients, totals = [], []
    for size in (8, 2, 3):
        model.zero_grad()
        total = 0.0
        for rows in torch.arange(8).split(size):
            thought = model.ponder(grids[rows])
            parts = model.puzzle_loss(thought, grids[rows], solutions[rows], taken[rows], grids)
            parts.total.backward()
            total += float(parts.answer)
        gradients.append([weight.grad.clone() for weight in model.parameters() if weight.grad is not None])
        totals.append(total)
    assert totals == pytest.approx([totals[0]] * 3, abs=1e-6)
    for others in gradients[1:]:
        for one, other in zip(gradients[0], others, strict=True):
            assert (one - other).abs().max() < 1e-6


def test_the_loss_counts_blanks_only_and_weighs_steps() -> None:
    model = stirred(new_model(("trm", {"supervision_power": 1.0, "halting_weight": 1e-9})))
    grids, solutions = puzzles(4)
    with torch.no_grad():
        thought = model.ponder(grids)
        wrong_clues = torch.where(grids > 0, solutions % 4 + 1, solutions)
        taken = torch.ones(4, dtype=torch.int64)
        parts = model.puzzle_loss(thought, grids, solutions, taken)
        assert model.puzzle_loss(thought, grids, wrong_clues, taken).answer == parts.answer
        later = model.puzzle_loss(thought, grids, solutions, 2 * taken)
    assert float(later.total) == pytest.approx(2 * float(parts.total), rel=1e-4)
    assert float(parts.total) == pytest.approx(float(parts.answer) / 2.5, rel=1e-4)
