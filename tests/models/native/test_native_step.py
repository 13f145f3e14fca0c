"""A recorded step gives the logits of the model's own forward call, for every model that can be recorded."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from models.architectures import ARCHITECTURES, build_model, model_config
from models.depth import Depth
from models.native import native_step
from models.native.native_step import NativeStep
from models.native.recorded_cache import UnrecordableError
from models.native.recording import Packed
from models.recursive_lm import RecursiveLM

STEP = native_step.native_step()
pytestmark = pytest.mark.skipif(STEP is None, reason="there is no C compiler")
CONTEXT = 24


def model_of(architecture: str, **dials: object) -> RecursiveLM:
    torch.manual_seed(5)
    sizes = {"vocab_size": 46, "context_length": CONTEXT, "d_model": 32, "n_heads": 2}
    model = build_model(model_config({"architecture": architecture, **sizes, **dials})).eval()
    for weight in model.parameters():  # far from any initialisation that would hide a part
        nn.init.normal_(weight, std=0.3)
    return model


def recorded(model: RecursiveLM, depth: Depth, rows: int) -> NativeStep:
    assert STEP is not None
    return NativeStep(STEP, model, depth, rows, {})


SHAPES = [
    ("looped", {}),
    ("looped", {"gated": True, "ngram": 3, "tied": True}),
    ("looped", {"prelude_layers": 2, "core_layers": 2, "d_feed_forward": 40}),
    ("transformer", {"ngram": 2}),
    ("transformer", {"norm": "layer", "feed_forward": "gelu", "positions": "learned", "qk_norm": False}),
    ("transformer", {"positions": "sinusoidal", "tied": True, "gpt2_weights": True}),
    ("hrm", {}),
    ("trm", {"positions": "learned"}),
]


@pytest.mark.parametrize(("architecture", "dials"), SHAPES)
@pytest.mark.parametrize(
    ("padding", "threads"),
    [([0], 1), ([0, 3, 5], 1), ([2, 0, 1, 4, 0, 6, 3], 1), ([2, 0, 1, 4, 0, 6, 3], 3), ([*range(6)] * 3, 3)],
)
@torch.inference_mode()
def test_its_logits_are_those_of_the_model(
    architecture: str,
    dials: dict[str, object],
    padding: list[int],
    threads: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", partial(int, threads))
    model, rows, depth = model_of(architecture, **dials), len(padding), Depth(2, 2)
    step = recorded(model, depth, rows)
    tokens = torch.randint(0, 46, (rows, CONTEXT))
    pads = torch.tensor(padding) if any(padding) else None
    ours, theirs = (model.new_cache(rows, CONTEXT, depth) for _ in range(2))
    for cache in (ours, theirs):
        model(tokens[:, :8], depth, cache, pads)
    for place in range(8, CONTEXT):
        expected = model(tokens[:, place : place + 1], depth, theirs, pads)
        found = torch.from_numpy(step.logits(tokens[:, place].tolist(), ours, pads))
        torch.testing.assert_close(found, expected.logits[:, -1], rtol=1e-5, atol=1e-5)
        assert step.passes == expected.passes[:, -1].tolist()
    for name in ("keys", "values", "tokens", "length"):
        torch.testing.assert_close(getattr(ours, name), getattr(theirs, name), rtol=1e-4, atol=1e-4)


@torch.inference_mode()
def test_the_logits_of_a_text_do_not_depend_on_the_others() -> None:
    model, depth, length = model_of("looped", d_model=96, d_feed_forward=80), Depth(2), 20
    tokens, padding = torch.randint(0, 46, (40, length)), [row % 4 for row in range(40)]
    alone = []
    for row, pads in zip(tokens, padding, strict=True):
        step, cache = recorded(model, depth, 1), model.new_cache(1, length, depth)
        for token in row[pads:].tolist():
            found = step.logits([token], cache, None)
        alone.append(found[0].copy())
    for rows in (*range(2, 18), 40):
        step, cache = recorded(model, depth, rows), model.new_cache(rows, length, depth)
        for place in range(length):
            found = step.logits(
                tokens[:rows, place].tolist(), cache, torch.tensor(padding[:rows]).clamp(max=place)
            )
        np.testing.assert_array_equal(found, alone[:rows])


@pytest.mark.parametrize("rows", [1, 2, 3, 8])
@torch.inference_mode()
def test_threads_divide_the_texts(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    model, depth, length = model_of("looped", ngram=3), Depth(2), 12
    tokens, padding = torch.randint(0, 46, (length, rows)).tolist(), torch.arange(rows) % 4
    found = []
    for threads in (1, 3):
        monkeypatch.setattr(torch, "get_num_threads", partial(int, threads))
        step, cache = recorded(model, depth, rows), model.new_cache(rows, length + 4, depth)
        assert len(step._states) == min(threads, rows)
        cache.keys[:], cache.values[:] = 0.5, 0.5
        cache.advance(4)
        for some in tokens:
            logits = step.logits(some, cache, padding)
        found.append((logits.copy(), cache.keys.numpy(), cache.values.numpy(), cache.tokens.numpy()))
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_batch_is_recorded_once_for_all_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once for each number of texts that a thread has."""
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    model, recordings = model_of("looped"), []
    model.register_forward_hook(lambda _, tokens, found: recordings.append(tokens[0].size(0)))
    step = recorded(model, Depth(1), 8)
    assert [state.rows for state in step._states] == [2, 3, 3] and recordings == [2, 3]


def test_threads_divide_many_weights_where_each_had_few_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    monkeypatch.setattr(native_step, "_MOST_READ_BY_EACH", 1000)
    for rows in (2, 23):
        (state,) = recorded(model_of("looped"), Depth(1), rows)._states
        assert (state.rows, state.threads) == (rows, 3)
    assert [one.rows for one in recorded(model_of("looped"), Depth(1), 25)._states] == [8, 8, 9]


@torch.inference_mode()
def test_it_goes_on_with_any_cache_and_from_its_start() -> None:
    model, depth = model_of("looped", ngram=3), Depth(2)
    step, tokens = recorded(model, depth, 1), [3, 1, 4, 1, 5]
    first, second = (model.new_cache(1, 12, depth) for _ in range(2))
    for token in tokens:
        for cache in (first, second):
            found = torch.tensor(step.logits([token], cache, None))
    expected = model(torch.tensor([tokens]), depth).logits[:, -1]
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(first.keys, second.keys)
    first.truncate(2)
    first.reserve(16)  # in other memory
    for token in tokens[2:]:
        found = torch.from_numpy(step.logits([token], first, None))
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@torch.inference_mode()
def test_a_cache_may_have_more_room_than_the_context() -> None:
    model, depth, count = model_of("transformer", positions="sinusoidal"), Depth(1), 40 * CONTEXT
    step, cache = recorded(model, depth, 1), model.new_cache(1, count, depth)
    cache.advance(count - 1)
    assert np.isfinite(step.logits([3], cache, torch.tensor([count - 4]))).all()
    assert step._states[0].room >= count


@torch.inference_mode()
def test_a_cache_that_is_full_or_has_other_rows_is_refused() -> None:
    """Compiled code would write beyond its memory."""
    model, depth = model_of("looped"), Depth(1)
    step, cache = recorded(model, depth, 2), model.new_cache(2, 8, depth)
    cache.advance(7)
    step.logits([1, 2], cache, None)
    with pytest.raises(ValueError, match="full"):
        step.logits([1, 2], cache, None)
    cache.reserve(9)
    step.logits([1, 2], cache, None)
    with pytest.raises(ValueError, match="1 rows for 2"):
        step.logits([1, 2], model.new_cache(1, 8, depth), None)


def test_steps_of_one_model_share_their_weights() -> None:
    assert STEP is not None
    model, packed = model_of("looped"), Packed()
    NativeStep(STEP, model, Depth(1), 1, packed)
    count = len(packed)
    NativeStep(STEP, model, Depth(3), 4, packed)
    assert len(packed) == count == sum(isinstance(part, nn.Linear) for part in model.modules())


@pytest.mark.parametrize("architecture", sorted(set(ARCHITECTURES) - {one for one, _ in SHAPES}))
def test_a_step_that_depends_on_numbers_is_refused(architecture: str) -> None:
    with pytest.raises(UnrecordableError):
        recorded(model_of(architecture), Depth(2, 2), 1)


def test_tokens_that_may_leave_early_are_refused() -> None:
    with pytest.raises(UnrecordableError):
        recorded(model_of("looped"), Depth(3, halt=0.5), 1)


def test_a_model_in_training_in_another_format_or_compiled_is_refused() -> None:
    for spoilt in (
        model_of("looped").train(),
        model_of("looped").to(torch.bfloat16),
        model_of("looped").to("meta"),
    ):
        with pytest.raises(UnrecordableError):
            recorded(spoilt, Depth(1), 1)
    with torch.autocast("cpu", torch.bfloat16), pytest.raises(UnrecordableError):
        recorded(model_of("looped"), Depth(1), 1)


@pytest.mark.parametrize(
    "change",
    [lambda x: x.cumsum(-1), lambda x: x * bool(x.sum() > 0), torch.Tensor.exp_, lambda x: x[:, [0]]],
)
def test_what_is_unknown_is_refused(change, monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of("looped")
    readout = model.readout
    monkeypatch.setattr(model, "readout", lambda state: readout(change(state)))
    with pytest.raises(UnrecordableError):
        recorded(model, Depth(1), 1)
