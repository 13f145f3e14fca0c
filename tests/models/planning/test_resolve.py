"""What is refused before the text is read, and what a created run has resolved already."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from data.character_tokenizer import CharacterTokenizer
from data.errors import RlmError, UsageError
from data.tokenizer import Tokenizer
from models import device
from models.cost import estimate
from models.cost.estimate import Estimate
from models.cost.number_format import NumberFormat
from models.planning import create as creation
from models.planning.create import plan_creation
from models.planning.plan import plan
from models.planning.resolve import ResolvedRequest, resolve_request
from models.runs.run import Run
from tests.requests import create_request, train_request

Create = Callable[..., Run]


@pytest.fixture
def create(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Create:
    counted = Estimate(1, 1, 1, 1.0, NumberFormat("float32", ""))
    monkeypatch.setattr(creation, "expected_estimate", lambda *_: counted)

    def make(**said: Any) -> Run:
        shape = {"d_model": 32, "n_heads": 2, "context_length": 16}
        return plan_creation(create_request(name="owl", **{**shape, **said}), tmp_path).start()

    return make


def resolved(runs: Path, **said: Any) -> ResolvedRequest:
    return resolve_request(train_request(paths=("text.txt",), **said), runs)


@pytest.mark.parametrize(
    "said",
    [
        {"name": "../owl"},
        {"name": "taken"},
        {"architecture": "rnn"},
        {"preset": "nanogpt-cup"},
        {"minutes": 0.0},
        {"minutes": -1.0},
        {"minutes": 1e308},
        {"device": "abacus"},
        {"tokenizer": "no/such/tokenizer.json"},
        {"tokenizer": "character", "vocab_size": 300},
        {"settings": {"training.nonsense": "1"}},
        {"d_model": 100_000},
    ],
    ids=str,
)
def test_what_needs_no_text_is_refused_before_it_is_looked_for(tmp_path: Path, said: dict[str, Any]) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "notes.txt").write_text("of somebody else")
    with pytest.raises(RlmError) as caught:
        next(plan(train_request(paths=(str(tmp_path / "missing.txt"),), **said), tmp_path))
    assert "missing" not in caught.value.message
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_a_model_beyond_memory_is_refused_before_it_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimate, "free_memory_bytes", lambda _: 8 * 10**9)
    with pytest.raises(UsageError, match="of memory"):
        resolved(tmp_path, d_model=16384)
    with pytest.raises(UsageError, match="of memory"):
        resolved(tmp_path, d_model=64, settings={"training.batch_size": 2**20, "model.context_length": 65536})
    with pytest.raises(UsageError, match="of memory"):
        plan_creation(create_request(name="owl", d_model=16384), tmp_path)
    with pytest.raises(UsageError, match="larger than any memory"):
        resolved(tmp_path, architecture="hrm", d_model=64, settings={"model.d_feed_forward": 2**61})
    assert device.free_memory_bytes(device.choose_device("cpu")) > 0


@pytest.mark.parametrize(
    "said",
    [
        {"d_model": 64},
        {"n_heads": 1},
        {"architecture": "hrm"},
        {"preset": "nanogpt-cpu"},
        {"preset": "looped-small"},
        {"settings": {"model.core_layers": "2"}},
    ],
    ids=str,
)
def test_a_created_run_keeps_its_architecture(create: Create, tmp_path: Path, said: dict[str, Any]) -> None:
    create()
    with pytest.raises(UsageError, match=r"was created with|does not fit preset"):
        resolved(tmp_path, name="owl", **said)


def test_what_agrees_with_a_created_run_may_be_said_again(create: Create, tmp_path: Path) -> None:
    create()
    found = resolved(
        tmp_path, name="owl", d_model=32, architecture="looped", context_length=8,
        settings={"model.tied": "False", "model.n_heads": "2"},
    )  # fmt: skip
    assert (found.model["d_model"], found.model["context_length"]) == (32, 8)


def test_length_and_vocabulary_of_a_created_run_count_unless_typed(create: Create, tmp_path: Path) -> None:
    create(vocab_size=300, settings={"training.steps": "7"})
    assert resolved(tmp_path, name="owl").length == {"steps": 7}
    assert resolved(tmp_path, name="owl").vocab_size == 300
    typed = resolved(tmp_path, name="owl", minutes=2.0, vocab_size=400)
    assert (typed.length, typed.vocab_size) == ({"minutes": 2.0}, 400)
    assert resolved(tmp_path, name="owl", tokenizer="character").vocab_size is None


@pytest.mark.parametrize(
    ("name", "text", "value"), [("minutes", "2", 2.0), ("steps", "9", 9), ("epochs", "0.5", 0.5)]
)
def test_a_length_given_as_text_becomes_a_number(tmp_path: Path, name: str, text: str, value: float) -> None:
    length = resolved(tmp_path, settings={f"training.{name}": text}).length
    assert length == {name: value} and type(length[name]) is type(value)


def test_a_size_asked_for_goes_over_the_tokenizer_of_a_preset(tmp_path: Path) -> None:
    found = resolved(tmp_path, preset="nanogpt-cpu", vocab_size=300)
    assert (found.tokenizer, found.vocab_size) == ("bpe", 300)


def test_a_tokenizer_the_model_was_not_created_with_is_passed_over(create: Create, tmp_path: Path) -> None:
    foreign, own = CharacterTokenizer("xyz"), CharacterTokenizer("abcd")
    run = create()
    foreign.save(run.tokenizer_path)  # left by a training that was killed before it began
    assert resolved(tmp_path, name="owl").tokenizer is None
    shutil.rmtree(run.path)
    own.save(tmp_path / "own.json")
    run = create(tokenizer=str(tmp_path / "own.json"))
    foreign.save(run.tokenizer_path)
    found = resolved(tmp_path, name="owl").tokenizer
    assert isinstance(found, Tokenizer) and found.hash == own.hash
