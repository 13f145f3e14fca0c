"""In a sequence of several documents, each is read as if it stood alone: in every architecture."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from data.loader import IGNORED
from models.depth import Depth
from models.recursive_lm import RecursiveLM
from tests.models.small_models import CONTEXT, MODEST, Kind, new_model, random_tokens, stirred

LENGTHS = ((5, 1, 7, 3), (2, 9, 1, 4))
"""Of the documents in each of two sequences."""
NUMBERS = torch.stack([torch.repeat_interleave(torch.arange(4), torch.tensor(row)) for row in LENGTHS])


def documents_of(x: Tensor) -> list[Tensor]:
    """The documents (1, t, …) in `x` (2, T, …)."""
    return [part[None] for row, lengths in zip(x, LENGTHS, strict=True) for part in row.split(lengths)]


def halting_depth(model: RecursiveLM, tokens: Tensor) -> Depth:
    """A depth at which some tokens leave early, with a threshold that is near no score."""
    depth = Depth(4, 2, halt=1.0)
    if model.early_exit != "on_request":
        return Depth(4, 2)
    output = model(tokens, depth, documents=NUMBERS, trace=True)
    scores = [one.halting.flatten() for one in output.trace if one.halting is not None][1]  # of cycle 2
    middle = scores.sort().values[len(scores) // 4 : -len(scores) // 4]
    widest = int(middle.diff().argmax())
    return replace(depth, halt=float(middle[widest : widest + 2].mean()))


@pytest.mark.parametrize("kind", MODEST)
def test_the_logits_of_a_document_are_those_of_it_alone(kind: Kind) -> None:
    model = stirred(new_model(kind))
    tokens = random_tokens(2, CONTEXT)
    with torch.no_grad():
        depths = [Depth(1), model.trained_depth, halting_depth(model, tokens)]
    for depth in depths:
        for learning in (False, True):
            with torch.set_grad_enabled(learning):
                packed = model(tokens, depth, documents=NUMBERS)
                found = zip(documents_of(packed.logits), documents_of(packed.passes), strict=True)
                for text, (logits, passes) in zip(documents_of(tokens), found, strict=True):
                    alone = model(text, depth)
                    torch.testing.assert_close(logits, alone.logits, atol=1e-5, rtol=0)
                    assert torch.equal(passes, alone.passes)
    if model.early_exit == "on_request":
        assert len(packed.passes.unique()) > 1, "the threshold split nothing"


@pytest.mark.parametrize("kind", MODEST)
def test_another_document_before_changes_nothing(kind: Kind) -> None:
    model = stirred(new_model(kind))
    tokens = random_tokens(2, CONTEXT)
    others = tokens.where(NUMBERS >= 2, (tokens + 1) % model.config.vocab_size)
    with torch.no_grad():
        outputs = [list(model.outputs(one, [Depth(1), Depth(3, 2)], NUMBERS)) for one in (tokens, others)]
        for one, other in zip(*outputs, strict=True):
            kept = NUMBERS >= 2
            torch.testing.assert_close(one.logits[kept], other.logits[kept], atol=1e-5, rtol=0)
            assert not torch.equal(one.logits[~kept], other.logits[~kept])
        # Without numbers, the documents before are seen.
        whole = [model(one, Depth(3, 2)).logits[NUMBERS >= 2] for one in (tokens, others)]
        assert float((whole[0] - whole[1]).abs().max()) > 1e-3


@pytest.mark.parametrize("kind", MODEST)
def test_the_training_loss_is_the_mean_of_those_of_the_documents_alone(kind: Kind) -> None:
    model = stirred(new_model(kind))  # without the draws of some routers in training
    tokens, targets = random_tokens(2, CONTEXT), random_tokens(2, CONTEXT)
    targets[:, 2] = IGNORED
    packed = model.training_loss(tokens, targets, model.trained_depth, NUMBERS)
    packed.total.backward()
    total, count = 0.0, 0
    for text, asked in zip(documents_of(tokens), documents_of(targets), strict=True):
        if wanted := int((asked != IGNORED).sum()):
            total += wanted * float(model.training_loss(text, asked, model.trained_depth).next_token)
            count += wanted
    assert float(packed.next_token) == pytest.approx(total / count, abs=1e-5)
    assert all(one.grad is None or one.grad.isfinite().all() for one in model.parameters())


def test_documents_are_not_told_apart_beside_pads_or_after_a_cached_text() -> None:
    model = new_model(("looped", {}))
    tokens = random_tokens(2, CONTEXT)
    with pytest.raises(ValueError, match="whole sequences"):
        model(tokens, padding=torch.tensor([0, 1]), documents=NUMBERS)
    cache = model.new_cache(2, 2 * CONTEXT)
    model(tokens, cache=cache)
    with pytest.raises(ValueError, match="whole sequences"):
        model(tokens, cache=cache, documents=NUMBERS)
