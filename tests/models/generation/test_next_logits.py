"""What is recorded of a model is used for as long as it is right, and no longer."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from data.character_tokenizer import CharacterTokenizer
from models.architectures import build_model, model_config
from models.depth import Depth
from models.generation import next_logits as room
from models.generation.batch_decoder import BatchDecoder
from models.generation.continuation import Continuation
from models.generation.next_logits import NextLogits, next_logits
from models.generation.settings import GenerationConfig
from models.native.native_step import NativeStep, native_step
from models.recursive_lm import RecursiveLM

pytestmark = pytest.mark.skipif(native_step() is None, reason="there is no C compiler")
DEPTH = Depth(2)


@pytest.fixture
def model() -> RecursiveLM:
    torch.manual_seed(5)
    sizes = {"vocab_size": 46, "context_length": 24, "d_model": 32, "n_heads": 2, "ngram": 2}
    built = build_model(model_config({"architecture": "looped", **sizes})).eval().requires_grad_(False)
    for weight in built.parameters():
        nn.init.normal_(weight, std=0.3)
    return built


def logits_of(model: RecursiveLM, scores: NextLogits, count: int = 8) -> Tensor:
    """Those after each of so many tokens, (T, V)."""
    with torch.inference_mode():
        cache = model.new_cache(1, 24, DEPTH)
    found = [scores.score([token], cache, None)[0].copy() for token in range(count)]
    return torch.from_numpy(np.concatenate(found))


def right_logits(model: RecursiveLM, count: int = 8) -> Tensor:
    with torch.inference_mode():
        return model(torch.arange(count)[None], DEPTH).logits[0]


def replaced(model: RecursiveLM) -> None:
    """By another tensor at the same address, as where the memory of the old one was free again."""
    memory = model.head.weight.numpy()
    memory *= 2
    model.head.weight.data = torch.from_numpy(memory)


def scaled(model: RecursiveLM) -> None:
    model.head.weight.mul_(2)


@pytest.mark.parametrize("change", [replaced, scaled])
def test_a_model_whose_weights_change_is_recorded_again(
    model: RecursiveLM, change: Callable[[RecursiveLM], None]
) -> None:
    for _ in range(3):
        with next_logits(model, DEPTH) as scores:
            torch.testing.assert_close(logits_of(model, scores), right_logits(model), rtol=1e-4, atol=1e-4)
        change(model)


def test_it_is_recorded_once_while_the_weights_stay(model: RecursiveLM, monkeypatch) -> None:
    with next_logits(model, DEPTH) as scores:
        logits_of(model, scores)
    monkeypatch.setattr(room, "NativeStep", lambda *_: pytest.fail("it is there"))
    with next_logits(model, DEPTH) as again:
        assert again is scores
        logits_of(model, again)


def test_other_threads_have_a_step_of_their_own(model: RecursiveLM, monkeypatch) -> None:
    found = []
    for threads in (1, 3, 1):
        monkeypatch.setattr(torch, "get_num_threads", partial(int, threads))
        with next_logits(model, DEPTH) as scores, torch.inference_mode():
            scores.score([1, 2, 3], model.new_cache(3, 24, DEPTH), None)
        found.append(scores._steps[3])
    assert [len(step._states) for step in found] == [1, 3, 1] and found[0] is found[2]


def test_a_model_in_training_uses_nothing_that_was_recorded_before(model: RecursiveLM) -> None:
    with next_logits(model, DEPTH) as scores:
        logits_of(model, scores)
    with next_logits(model.train(), DEPTH) as others:
        assert others is not scores


def test_under_autocast_nothing_is_used_or_decided_for_later(model: RecursiveLM) -> None:
    with torch.autocast("cpu", torch.bfloat16), next_logits(model, DEPTH) as scores:
        logits_of(model, scores)
        assert not scores._steps
    with next_logits(model, DEPTH) as scores:
        logits_of(model, scores)
        assert list(scores._steps) == [1]
    with torch.autocast("cpu", torch.bfloat16), next_logits(model, DEPTH) as others:
        assert others is not scores


def test_a_step_that_is_wrong_leaves_no_trace(model: RecursiveLM, monkeypatch) -> None:
    """The cache has what the model computed, also for the token with which the step was compared."""

    class WrongStep(NativeStep):
        def logits(self, tokens, cache, padding) -> Tensor:
            cache.keys[..., cache.length, :] = cache.values[..., cache.length, :] = 9.0
            cache.advance(1)
            return self._logits + 1

    monkeypatch.setattr(room, "NativeStep", WrongStep)
    with next_logits(model, DEPTH) as scores:
        torch.testing.assert_close(logits_of(model, scores), right_logits(model), rtol=1e-4, atol=1e-4)


def test_no_cache_is_held_between_two_texts(model: RecursiveLM) -> None:
    with next_logits(model, DEPTH) as scores:
        logits_of(model, scores)
        (step,) = scores._steps.values()
        assert step._keys is not None
    assert step._keys is None and step._ids is None


def test_the_cache_of_more_texts_is_not_held_when_some_have_ended(model: RecursiveLM) -> None:
    with torch.inference_mode():
        cache = model.new_cache(3, 24, DEPTH)
    with next_logits(model, DEPTH) as scores:
        for rows in (3, 2, 1):
            cache.select(torch.arange(rows))
            for token in (4, 2, 3):
                scores.score([token] * rows, cache, None)
            held = [step for step in scores._steps.values() if step._keys is not None]
            assert held == [scores._steps[rows]]


def test_a_decoder_holds_no_cache_when_all_texts_have_ended(model: RecursiveLM) -> None:
    decoder = BatchDecoder(model, CharacterTokenizer("".join(sorted("\n abcdefghijklmnopqrstuvwxyz.,"))))
    config = GenerationConfig(max_tokens=6, temperature=0)

    def held_after(steps: int) -> list[bool]:
        for _ in range(steps):
            decoder.step()
        return [step._keys is not None for one in decoder._next.values() for step in one._steps.values()]

    for prompt in ([7, 8, 9], [7]):
        decoder.add(Continuation(prompt, DEPTH, config))
    assert any(held_after(4)) and not any(held_after(8)) and not decoder.active
    decoder.add(Continuation([8], DEPTH, config))
    assert any(held_after(4))
    decoder.clear()
    assert not any(held_after(0))


def test_without_room_for_a_copy_of_the_weights_the_model_itself_is_used(
    model: RecursiveLM, monkeypatch
) -> None:
    monkeypatch.setattr("models.native.native_step.free_memory_bytes", lambda device: 1000)
    with next_logits(model, DEPTH) as scores:
        torch.testing.assert_close(logits_of(model, scores), right_logits(model), rtol=1e-4, atol=1e-4)
        assert not scores._steps


def test_the_token_at_which_a_step_is_recorded_has_the_logits_of_the_step(model: RecursiveLM) -> None:
    with next_logits(model, DEPTH) as scores:
        first, again = logits_of(model, scores), logits_of(model, scores)
    assert torch.equal(first, again)
