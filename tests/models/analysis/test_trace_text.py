"""What a trace says of every architecture, against the model itself."""

import math
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from data.character_tokenizer import CharacterTokenizer
from data.errors import UsageError
from data.problems.names import open_task
from data.problems.sampler import tokenizer_of
from models.analysis.trace import trace_text
from models.architectures import ARCHITECTURES
from models.depth import MODES, Depth
from models.runs.load import LoadedModel
from models.runs.run import Run
from models.runs.run_config import DataSection, ModelSection, RunConfig
from tests.models.small_models import RECURSIVE, small_model, stirred

LETTERS = " abcdefg"
TEXT = "a bad egg fed"


def loaded(name: str, **dials: object) -> LoadedModel:
    tokenizer = CharacterTokenizer(LETTERS)
    model = stirred(small_model(name, vocabulary=tokenizer.vocab_size, **dials))
    # A trace reads neither the run nor its configuration.
    return LoadedModel(model, tokenizer, Run.__new__(Run), RunConfig.__new__(RunConfig), "text")


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_trace_agrees_with_the_model(name: str) -> None:
    of = loaded(name)
    found = trace_text(of, TEXT, Depth(3, 2))
    tokens = torch.tensor(of.tokenizer.encode(TEXT))[None]
    with torch.no_grad():
        output = of.model(tokens, Depth(3, 2))
    losses = F.cross_entropy(output.logits[0, :-1], tokens[0, 1:], reduction="none")
    last = found.passes[-1]
    assert last.loss == pytest.approx(float(losses.mean()), rel=1e-5)
    probabilities = output.logits[0, -1].softmax(-1)
    assert last.guesses[0].probability == pytest.approx(float(probabilities.max()), rel=1e-5)
    assert last.guesses[0].text == of.tokenizer.token_text(int(probabilities.argmax()))
    assert [token.loss for token in found.tokens][1:] == pytest.approx(losses.tolist(), rel=1e-4)
    assert [token.passes for token in found.tokens] == output.passes[0].tolist()
    assert "".join(token.text for token in found.tokens) == TEXT and found.tokens[0].loss is None
    for one in found.passes:
        assert 0 <= one.entropy <= math.log2(of.tokenizer.vocab_size) and one.norm > 0
        assert (one.change is None) == (one.cosine is None) == (one.number == 1)
        assert one.cosine is None or -1.001 <= one.cosine <= 1.001


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_settings_are_the_depths_that_differ(name: str) -> None:
    of = loaded(name)
    settings = trace_text(of, TEXT, MODES["normal"]).settings
    tokens = torch.tensor(of.tokenizer.encode(TEXT))[None]
    by_mode = {one.mode: one for one in settings if one.mode is not None}
    assert set(by_mode) == set(of.model.modes()) if name in RECURSIVE else len(settings) == 1
    for mode, one in by_mode.items():
        with torch.no_grad():
            output = of.model(tokens, MODES[mode])
        loss = F.cross_entropy(output.logits[0, :-1], tokens[0, 1:])
        assert one.loss == pytest.approx(float(loss), rel=1e-5)
        assert one.passes == pytest.approx(float(output.passes.mean()))


@pytest.mark.parametrize("name", RECURSIVE)
def test_every_part_that_can_be_left_out_has_its_cost(name: str) -> None:
    of = loaded(name)
    found = trace_text(of, TEXT, Depth(3, 2))
    names = [one.name for one in found.ablations]
    assert len(names) == len(set(names)) >= 2
    assert {f"{level} frozen" for level in of.model.levels} <= set(names)
    whole = found.passes[-1].loss
    assert whole is not None
    for one in found.ablations:
        assert one.cost == pytest.approx(one.loss - whole, abs=1e-5) and abs(one.cost) > 1e-6


def test_a_dense_model_has_nothing_to_leave_out() -> None:
    found = trace_text(loaded("transformer"), TEXT, MODES["deep"])
    assert found.ablations == () and not found.routed


def test_a_router_shows_the_recursions_of_each_token() -> None:
    found = trace_text(loaded("mixture_of_recursions"), TEXT, MODES["deep"])
    assert found.routed and len({token.passes for token in found.tokens}) > 1


def test_a_text_that_is_too_long_is_cut_at_its_start_and_one_token_has_no_loss() -> None:
    of = loaded("looped")
    long = trace_text(of, "abc" * 10, MODES["normal"])
    assert long.cut_tokens == 30 - of.model.config.context_length
    assert len(long.tokens) == of.model.config.context_length
    one = trace_text(of, "a", MODES["normal"])
    assert one.passes[-1].loss is None and one.settings[0].loss is None and one.ablations == ()
    with pytest.raises(UsageError, match="no text"):
        trace_text(of, "", MODES["normal"])


@pytest.mark.parametrize(
    ("text", "asked"), [("cab", "cce"), ("cab=", "ccee"), ("cab=a", "ccee"), ("what", ""), ("", "")]
)
def test_the_losses_of_a_problem_are_those_of_its_labels(tmp_path: Path, text: str, asked: str) -> None:
    task = open_task("compose:s3:4")
    tokenizer = tokenizer_of(task)
    model = stirred(small_model("looped", vocabulary=tokenizer.vocab_size))
    data = DataSection(paths=(task.name,), content_hash="", kind="problems")
    config = RunConfig(model=ModelSection(architecture="looped"), data=data)
    found = trace_text(LoadedModel(model, tokenizer, Run(tmp_path), config, "problems"), text, Depth(2))
    tokens = torch.tensor([tokenizer.bos_id, *tokenizer.encode(text)])[None]
    targets = torch.tensor([*tokenizer.encode(asked), *[tokenizer.eos_id] * (text == "cab=a")])
    if not asked:
        assert {one.loss for one in (*found.passes, *found.tokens)} == {None} and not found.ablations
        return
    with torch.no_grad():
        logits = model(tokens, Depth(2)).logits[0, 1:]
    losses = F.cross_entropy(logits, targets, reduction="none")
    assert found.tokens[0].loss is None
    assert [one.loss for one in found.tokens[1:]] == pytest.approx(losses.tolist(), rel=1e-4)
    assert found.passes[-1].loss == pytest.approx(float(losses.mean()), rel=1e-4)
