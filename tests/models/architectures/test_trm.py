"""trm: exact sizes, bounded states, the same blocks for two states, and where the mixer is refused."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from data.errors import UsageError
from models.architectures import build_model, model_config
from models.architectures.trm import TRM
from models.depth import Depth
from models.presets import PRESETS
from models.training.optimizer import WeightAverage

PUZZLE = {"task": "sudoku", "vocab_size": 5, "context_length": 16}
SMALL = {"architecture": "trm", "d_model": 32, "n_heads": 2, "d_feed_forward": 48, "vocab_size": 20}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def trm(**more: Any) -> TRM:
    torch.manual_seed(0)
    model = build_model(model_config({**SMALL, "context_length": 16, **more})).eval()
    assert isinstance(model, TRM)
    return model


def puzzle_trm(**more: Any) -> TRM:
    return trm(task="sudoku", vocab_size=5, context_length=16, **more)


def test_the_parameters_are_those_of_two_blocks_and_the_tables() -> None:
    width, hidden, vocabulary = 256, 768, 87
    block = 4 * width**2 + 3 * width * hidden  # no biases, no gains
    model = trm(d_model=width, n_heads=4, d_feed_forward=hidden, vocab_size=vocabulary)
    everything, embedding = model.parameter_counts()
    assert embedding == 2 * vocabulary * width
    assert everything - embedding == 2 * block + 2 * (width + 1) == 1_704_450


def test_a_puzzle_model_has_places_and_one_halting_value() -> None:
    everything, embedding = puzzle_trm().parameter_counts()
    assert embedding == 2 * 5 * 32 + 3 * 4 * 32  # cells, and rows, columns and boxes
    assert everything - embedding == 2 * (4 * 32**2 + 3 * 32 * 48) + 33


def test_the_preset_has_the_stated_size() -> None:
    preset = PRESETS["trm-small"]
    config = model_config({"architecture": preset.architecture, **preset.model, "vocab_size": 100})
    assert sum(p.numel() for p in build_model(config).parameters()) < 1_500_000


def test_the_same_blocks_update_both_states() -> None:
    """n updates of the reasoning from input, answer and reasoning, then one of the answer without input."""
    model = trm(layers=1)
    seen: list[torch.Tensor] = []
    model.blocks[0].register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    x = torch.randn(2, 5, 32)
    y, z = (torch.randn(2, 5, 32) for _ in range(2))
    context = model.attention_context(torch.zeros(2, 5, dtype=torch.int64), None, None)
    with torch.no_grad():
        new_y, new_z = model.cycle(0, (y, z), x, context, range(3))
    assert len(seen) == 3
    assert torch.equal(seen[0], x + y + z)
    assert torch.equal(seen[2], y + new_z)
    assert not torch.equal(new_y, y)


def test_states_stay_bounded_whatever_the_weights() -> None:
    """Pre-norm states grew 488-fold with each supervision step, to NaN before the 16th."""
    model = puzzle_trm(max_cycles=3, max_steps=3)
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(30).add_(torch.randn_like(weight))
    puzzles, states = torch.randint(0, 5, (3, 16)), None
    for _ in range(64):
        with torch.no_grad():
            thought = model.ponder(puzzles, states)
        states = thought.states
        for state in states:
            assert float(state.square().mean()) == pytest.approx(1.0, abs=1e-3)
        assert torch.isfinite(thought.logits).all()


def test_the_mixer_is_refused_for_text() -> None:
    with pytest.raises(UsageError, match=r"model\.mixer is mlp") as caught:
        model_config({**SMALL, "mixer": "mlp"})
    assert "task=sudoku" in str(caught.value.hint)


def test_the_mixer_sees_every_cell_and_can_be_averaged() -> None:
    """The copy for the averaged weights could not be built where there was a mixer."""
    model = puzzle_trm(mixer="mlp")
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight) * 0.2)
    average = WeightAverage(copy.deepcopy(model), 0.9)
    average.update(model)
    assert set(average.shadow) == {name for name, _ in model.named_parameters()}
    before = torch.randint(0, 5, (1, 16))
    after = before.clone()
    after[0, 15] = (after[0, 15] + 1) % 5
    with torch.no_grad():
        moved = (model.ponder(before).logits - model.ponder(after).logits).abs().amax(dim=-1)
    assert (moved > 0).all()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"d_model": 30, "n_heads": 4}, "does not divide"),
        ({"task": "chess"}, "one of text, sudoku, maze, grid"),
        ({"task": "sudoku"}, "fits no Sudoku"),
        ({"task": "sudoku", "vocab_size": 5, "context_length": 15}, "fits no Sudoku"),
        ({"task": "sudoku", "vocab_size": 5, "context_length": 16, "ngram": 3}, "ngram"),
        ({"layers": 0}, r"model\.layers"),
        ({"supervision_steps": 0}, r"model\.supervision_steps"),
        ({"mixer": "convolution"}, "attention or mlp"),
        ({**PUZZLE, "positions": "sinusoidal"}, r"model\.positions is sinusoidal"),
        ({**PUZZLE, "mixer": "mlp", "attention_scope": "all"}, r"model\.attention_scope is all"),
        ({"attention_scope": "all"}, r"model\.attention_scope is all, and over text"),
        ({"exploration": 0.2}, r"model\.exploration is 0\.2, and over text"),
        ({"supervision_steps": 4}, r"model\.supervision_steps is 4, and over text"),
        ({"checkpoint_gradients": True}, r"model\.checkpoint_gradients is True, and over text"),
    ],
)
def test_an_impossible_configuration_is_refused_with_the_field(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        model_config({**SMALL, "context_length": 16, **wrong})


def test_gradients_flow_through_the_last_cycles_only() -> None:
    calls: dict[int, int] = {}
    for cycles in (1, 3):
        model = puzzle_trm(max_cycles=3, max_steps=1, layers=1, gradient_cycles=cycles)
        outputs: list[bool] = []
        model.blocks[0].register_forward_hook(
            lambda module, inputs, output, outputs=outputs: outputs.append(output.requires_grad)
        )
        model.ponder(torch.randint(0, 5, (2, 16)))
        assert len(outputs) == model.attention_calls(Depth(3, 1))
        calls[cycles] = sum(outputs)
    assert calls == {1: 2, 3: 6}


def test_supervision_power_weighs_later_answers_more() -> None:
    assert [trm().config.supervision_weight(number) for number in (1, 2, 3)] == [1, 2, 3]
    equal = trm(supervision_power=0.0).config
    assert [equal.supervision_weight(number) for number in (1, 2, 3)] == [1, 1, 1]
