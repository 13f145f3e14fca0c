"""Greedy text is the same with and without a cache, alone and in a batch, for every architecture."""

import pytest
import torch

from data.character_tokenizer import CharacterTokenizer
from models.architectures import ARCHITECTURES, build_model, model_config
from models.depth import MODES, Depth, best_mode_words
from models.generation.depth_notes import extrapolates, halt_note, measured_note, mode_note
from models.generation.generate import GenerationConfig, generate

CHARACTERS = "\n abcdefghijklmnopqrstuvwxyz.,"
GREEDY = GenerationConfig(max_tokens=16, temperature=0)
PROMPTS = ("once upon", "a", "the fox,", "")


@pytest.fixture(params=ARCHITECTURES)
def model(request):
    torch.manual_seed(3)
    config = model_config(
        {"architecture": request.param, "vocab_size": 46, "context_length": 12, "d_model": 32, "n_heads": 2}
    )
    model = build_model(config).eval()
    for parameter in model.parameters():  # far from any initialisation that would make text constant
        torch.nn.init.normal_(parameter, std=0.3)
    return model


@pytest.fixture
def tokenizer():
    return CharacterTokenizer("".join(sorted(CHARACTERS)))


def ids_of(tokens, row=0):
    return [token.id for token in tokens if token.row == row]


@pytest.mark.parametrize(
    "mode",
    [pytest.param(mode, marks=pytest.mark.slow if mode in ("thorough", "extreme") else ()) for mode in MODES],
)
def test_cached_text_equals_uncached_text(model, tokenizer, mode) -> None:
    for prompt in PROMPTS[::3]:
        ids = [tokenizer.encode(prompt)]
        cached = ids_of(generate(model, tokenizer, ids, MODES[mode], GREEDY))
        assert cached == ids_of(generate(model, tokenizer, ids, MODES[mode], GREEDY, use_cache=False))


def test_padded_row_equals_the_row_alone(model, tokenizer) -> None:
    ids = [tokenizer.encode(prompt) for prompt in PROMPTS]
    alone = [ids_of(generate(model, tokenizer, [prompt], Depth(2, 2), GREEDY)) for prompt in ids]
    for use_cache in (True, False):
        batch = list(generate(model, tokenizer, ids, Depth(2, 2), GREEDY, use_cache=use_cache))
        assert [ids_of(batch, row) for row in range(len(ids))] == alone


def test_rows_that_end_early_do_not_change_the_others(model, tokenizer) -> None:
    ids = [tokenizer.encode(prompt) for prompt in PROMPTS]
    alone = [list(generate(model, tokenizer, [prompt], Depth(2), GREEDY)) for prompt in ids]
    stop = GREEDY.changed(stop=("".join(token.text for token in alone[-1])[4:6],))
    batch = list(generate(model, tokenizer, ids, Depth(2), stop))
    for row, prompt in enumerate(ids):
        assert ids_of(batch, row) == ids_of(generate(model, tokenizer, [prompt], Depth(2), stop))


def test_modes_get_deeper_and_training_depth_is_known(model) -> None:
    modes = model.modes()
    passes = [model.passes(depth) for depth in modes.values()]
    if model.recursive:
        assert passes == sorted(set(passes))
        assert not extrapolates(model, model.trained_depth)
        assert not extrapolates(model, MODES["fast"])
        deepest = max(modes.values())
        assert extrapolates(model, deepest) == (model.passes(deepest) > model.passes(model.trained_depth))
    else:
        assert passes == [1]
        assert not any(extrapolates(model, depth) for depth in MODES.values())


@pytest.mark.parametrize(
    ("values", "mode", "threshold", "expected"),
    [
        ({"architecture": "hrm"}, "deep", None, None),
        ({"architecture": "hrm"}, "fast", None, "cannot halt early"),
        ({"architecture": "transformer"}, "deep", None, "cannot halt early"),
        ({"architecture": "recursive_router"}, "deep", None, "{halt_threshold} changes"),
        ({"architecture": "recursive_router"}, "deep", 0.9, None),
        ({"architecture": "recursive_router", "router": "soft"}, "deep", 0.9, "cannot halt early"),
        ({"architecture": "mixture_of_recursions"}, "deep", None, "{halt_threshold} changes"),
    ],
)
def test_note_on_early_halting_without_effect(
    values: dict[str, str], mode: str, threshold: float | None, expected: str | None
) -> None:
    small = {"d_model": 16, "n_heads": 2, "context_length": 8, "vocab_size": 20}
    note = halt_note(build_model(model_config({**small, **values})), mode, threshold)
    assert note is None if expected is None else expected in str(note)


def test_note_on_a_mode_beyond_the_deepest() -> None:
    small = {"architecture": "recursive_router", "d_model": 16, "n_heads": 2, "context_length": 8}
    model = build_model(model_config({**small, "vocab_size": 20}))
    assert "no deeper than mode deep" in str(mode_note(model, "extreme"))
    assert mode_note(model, "deep") is None


def test_a_mode_beyond_training_is_called_an_extrapolation() -> None:
    small = {"d_model": 16, "n_heads": 2, "context_length": 8, "vocab_size": 20}
    assert "extrapolation" in str(mode_note(build_model(model_config(small)), "extreme"))


NAN = float("nan")


@pytest.mark.parametrize(
    ("losses", "words"),
    [
        ({"fast": 1.556, "normal": 1.565, "deep": 1.575}, "fast; deeper modes are worse"),
        ({"fast": 1.6, "normal": 1.5, "deep": 1.4}, "deep"),
        ({"fast": 1.6, "normal": 1.5, "deep": 1.5}, "normal; deeper modes are no better"),
        ({"fast": 1.6, "normal": 1.5, "deep": 1.4994, "thorough": 1.6}, "normal; deeper modes are no better"),
        ({"fast": 1.5015, "normal": 1.5, "deep": 1.51}, "fast; deeper modes are no better"),
        ({"fast": 1.6, "normal": 1.5, "deep": 1.497}, "deep"),
        ({"fast": NAN, "normal": 1.5, "deep": 1.4, "thorough": NAN}, "deep"),
        ({"normal": 1.5}, None),
        ({"fast": 1.5, "normal": 1.5}, None),
        ({"fast": 1.5, "normal": NAN}, None),
        ({}, None),
    ],
)
def test_best_mode_has_the_lowest_measured_loss(losses: dict[str, float], words: str | None) -> None:
    assert best_mode_words(losses) == words


def test_note_on_a_mode_that_measured_worse() -> None:
    losses = {"fast": 1.556, "normal": 1.565, "deep": 1.575}
    assert measured_note("deep", losses) == "Mode deep measured worse than fast: loss 1.5750 against 1.5560."
    assert "best measured mode is fast" in str(measured_note("fast", losses))
    assert "best measured mode is fast" in str(measured_note("extreme", losses))  # which was not measured
    assert "best measured mode is fast" in str(measured_note("normal", {"fast": 1.5, "normal": 1.4994}))
    assert measured_note("deep", {}) is None


def test_note_on_a_mode_that_answered_fewer_problems_rightly() -> None:
    found = measured_note("deep", {"fast": 0.25, "deep": 0.4}, "problems")
    assert found == "Mode deep measured worse than fast: 40 % wrong answers against 25 %."
