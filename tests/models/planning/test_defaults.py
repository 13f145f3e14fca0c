"""What suits a corpus where nothing was chosen."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from data.corpus import Corpus, open_corpus
from data.progress import result_of
from models.architectures import model_config
from models.config import TrainingConfig
from models.cost.estimate import sizes
from models.planning import measured_speed
from models.planning.defaults import (
    suggested_batch,
    suggested_model,
    suggested_narrower,
    suggested_regularisation,
    suggested_training,
)
from models.planning.plan import plan
from models.planning.text_plan import TextPlan
from models.processes.placement import Processes
from models.settings import Settings
from tests.requests import train_request

WIDE: Settings = {"model.d_model": 256, "model.n_heads": 4}


def conversations(path: Path, length: int, count: int = 200) -> Path:
    """Conversations of about `length` characters."""
    messages = [
        {"role": "user", "content": "a" * (length // 2)},
        {"role": "assistant", "content": "b" * (length // 2)},
    ]
    path.write_text("".join(json.dumps({"messages": messages}) + "\n" for _ in range(count)))
    return path


@pytest.mark.parametrize(
    ("length", "vocab_size", "context"),
    [(40, 60, 128), (200, 60, 512), (120, 60, 256), (5000, 60, 512), (300, 8000, 256)],
)
def test_context_holds_two_average_conversations(
    tmp_path: Path, length: int, vocab_size: int, context: int
) -> None:
    corpus = open_corpus([conversations(tmp_path / "talk.jsonl", length)])
    suggested = suggested_model(corpus, vocab_size, TrainingConfig(minutes=2.0), "looped")
    assert suggested["context_length"] == context


def test_context_of_plain_text_stays(tmp_path: Path) -> None:
    (tmp_path / "book.txt").write_text("Once upon a time there was a fox. " * 400)
    corpus = open_corpus([tmp_path / "book.txt"])
    assert suggested_model(corpus, 60, TrainingConfig(minutes=2.0), "looped")["context_length"] == 128


def say_speed(monkeypatch: pytest.MonkeyPatch, speed: float) -> None:
    """Of one process, in tokens per second."""
    monkeypatch.setattr(
        measured_speed, "measured_estimate", lambda *given: replace(sizes(*given), tokens_per_second=speed)
    )


@pytest.mark.parametrize(
    ("speed", "dropout"), [(3_000.0, 0.0), (7_500.0, 0.1), (8_000.0, 0.13), (50_000.0, 0.27)]
)
def test_a_fast_machine_that_reads_a_text_often_regularises(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, speed: float, dropout: float
) -> None:
    # Steps of eight minutes: 1.2, 3.1, 3.3 or 20 million tokens of a text with some 610,000 to learn from.
    say_speed(monkeypatch, speed)
    (tmp_path / "book.txt").write_text("Once upon a time there was a fox. " * 20_000)
    request = train_request(paths=(str(tmp_path / "book.txt"),), minutes=8.0, settings=WIDE)
    found = result_of(plan(request, tmp_path))
    assert isinstance(found, TextPlan)
    assert (found.model.dropout, found.training.weight_decay) == (dropout, dropout)
    depth = (found.model.first_gate, found.training.shallow_fraction)  # type: ignore[attr-defined]
    assert depth == ((0.3, 0.8) if dropout == 0.27 else (0.1, 0.95))


@pytest.mark.parametrize(
    ("read", "width", "narrower"),
    [
        (3_300_000, 192, 192),  # 2.1 for each of 1,548,288 parameters
        (3_000_000, 192, 160),
        (810_000, 192, 128),
        (10_000, 192, 64),
        (10_000, 48, 48),
        (1_600_000, 200, 160),
    ],
)
def test_a_model_that_would_read_too_few_tokens_is_narrower(read: float, width: int, narrower: int) -> None:
    assert suggested_narrower(width, lambda width: 42 * width**2, read) == narrower


@pytest.mark.parametrize(
    ("speed", "typed", "width"),
    [
        (30_000.0, {"minutes": 2.0}, 192),
        (8_000.0, {"minutes": 2.0}, 128),
        (2_000.0, {"minutes": 2.0}, 64),
        (2_000.0, {"minutes": 2.0, "settings": {"model.d_model": 192}}, 192),
        (2_000.0, {"minutes": 2.0, "settings": {"model.n_heads": 6}}, 192),
        (2_000.0, {"steps": 10}, 256),
    ],
)
def test_a_slow_machine_has_a_narrower_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, speed: float, typed: Any, width: int
) -> None:
    say_speed(monkeypatch, speed)
    (tmp_path / "book.txt").write_text("Once upon a time there was a fox. " * 20_000)
    found = result_of(plan(train_request(paths=(str(tmp_path / "book.txt"),), **typed), tmp_path))
    assert isinstance(found, TextPlan)
    assert found.model.d_model == width
    assert found.skeleton.config == found.model


def test_a_little_text_makes_no_model_narrower(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    say_speed(monkeypatch, 50_000.0)
    (tmp_path / "book.txt").write_text("Once upon a time there was a fox. " * 300)
    found = result_of(plan(train_request(paths=(str(tmp_path / "book.txt"),), minutes=2.0), tmp_path))
    assert isinstance(found, TextPlan)
    assert found.model.d_model == 96, "12 readings are 0.3 tokens for each parameter"


def test_several_processes_read_a_text_more_often(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    say_speed(monkeypatch, 6_000.0)
    monkeypatch.setattr("models.cost.scaling.core_count", lambda: 4)
    (tmp_path / "book.txt").write_text("Once upon a time there was a fox. " * 20_000)
    for count, expected in ((1, 0.0), (2, 0.16), (4, 0.27), (8, 0.27)):
        typed = {
            "paths": (str(tmp_path / "book.txt"),),
            "minutes": 8.0,
            "settings": {"training.device": "cpu", **WIDE},
        }
        request = replace(train_request(**typed), processes=Processes(count, count))
        found = result_of(plan(request, tmp_path))
        assert isinstance(found, TextPlan)
        assert found.estimate.tokens_per_second == pytest.approx(6_000 * {1: 1.0, 2: 1.4}.get(count, 2.8))
        assert found.model.dropout == expected


def test_what_was_chosen_stays(tmp_path: Path) -> None:
    (tmp_path / "book.txt").write_text("Once upon a time there was a fox. " * 400)
    settings = {
        "model.dropout": 0.05,
        "training.weight_decay": 0.01,
        "model.first_gate": 0.2,
        "training.shallow_fraction": 0.6,
    }
    request = train_request(paths=(str(tmp_path / "book.txt"),), epochs=12.0, settings=settings)
    found = result_of(plan(request, tmp_path))
    assert isinstance(found, TextPlan)
    assert (found.model.dropout, found.training.weight_decay) == (0.05, 0.01)
    assert (found.model.first_gate, found.training.shallow_fraction) == (0.2, 0.6)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("epochs", "tokens_per_parameter", "share"),
    [
        (3.9, 9.0, 0.0),
        (4.0, 2.0, 0.0),
        (5.0, 2.0, 0.1),
        (6.0, 2.0, 0.2),
        (10.0, 2.0, 0.3),
        (10.0, 4.3, 0.2),
        (10.0, 50.0, 0.02),
        (12.0, 1.1, 0.0),
    ],
)
def test_regularisation_grows_with_the_readings_of_a_text(
    epochs: float, tokens_per_parameter: float, share: float
) -> None:
    assert suggested_regularisation(epochs, tokens_per_parameter) == share


@pytest.mark.parametrize(
    ("length", "batch_size", "rate", "evaluations", "samples"),
    [
        ({"minutes": 0.02}, 8, 0.012, 1, 1),
        ({"minutes": 1 / 6}, 8, 0.012, 3, 1),
        ({"minutes": 0.25}, 8, 0.012, 5, 2),
        ({"minutes": 0.5}, 16, 0.006, 10, 5),
        ({"minutes": 1.0}, 32, 0.003, 10, 5),
        ({"minutes": 8.0}, 32, 0.003, 10, 5),
        ({"steps": 9}, 32, 0.003, 10, 5),
    ],
)
def test_a_training_below_a_minute_has_smaller_batches_and_fewer_evaluations(
    length: dict[str, float], batch_size: int, rate: float, evaluations: int, samples: int
) -> None:
    found = suggested_training(TrainingConfig(**length), model_config({"vocab_size": 60}))
    assert found["learning_rate"] == pytest.approx(rate)
    expected = {"batch_size": batch_size, "evaluations": evaluations, "samples": samples}
    assert {name: found[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("characters", "length", "width"),
    [
        (1_000_000, {"minutes": 0.4}, 128),
        (1_000_000, {"minutes": 0.5}, 192),
        (1_000_000, {"minutes": 1.0}, 192),
        (1_000_000, {"minutes": 4.0}, 256),
        (1_000_000, {"steps": 9}, 256),
        (300_000, {"minutes": 8.0}, 128),
        (100_000, {"minutes": 0.4}, 96),
    ],
)
def test_a_short_text_and_a_short_time_make_a_narrow_model(
    characters: int, length: dict[str, float], width: int
) -> None:
    corpus = cast(Corpus, SimpleNamespace(characters=characters, kind="text"))
    assert suggested_model(corpus, 60, TrainingConfig(**length), "looped")["d_model"] == width


@pytest.mark.parametrize(
    ("minutes", "settings", "rate"),
    [
        (0.2, {"training.batch_size": 32, "model.context_length": 128}, 0.003),
        (0.2, {"training.batch_size": 16, "model.context_length": 128}, 0.006),
        (0.2, {"training.batch_size": 2, "model.context_length": 128}, 0.012),
        (0.2, {"model.context_length": 512}, 0.006),
        (2.0, {"training.batch_size": 2, "model.context_length": 128}, 0.003),
    ],
)
def test_a_large_step_of_a_short_training_has_no_high_rate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, minutes: float, settings: Settings, rate: float
) -> None:
    """A step of 4,096 tokens has the usual one, however short the training is."""
    say_speed(monkeypatch, 5_000.0)
    (tmp_path / "book.txt").write_text("Once upon a time there was a fox. " * 400)
    request = train_request(paths=(str(tmp_path / "book.txt"),), minutes=minutes, settings=settings)
    found = result_of(plan(request, tmp_path))
    assert isinstance(found, TextPlan)
    assert found.training.learning_rate == pytest.approx(rate)


def test_adamw_alone_keeps_its_rate() -> None:
    found = suggested_training(
        TrainingConfig(minutes=0.1, optimizer="adamw"), model_config({"vocab_size": 60})
    )
    assert found["learning_rate"] == TrainingConfig.learning_rate


@pytest.mark.parametrize(
    ("read", "width", "batch_size", "rate"),
    [
        (0.8e6, 96, 8, 0.004),
        (1.6e6, 128, 10, 0.004),
        (1.6e6, 192, 15, 0.004),
        (4.0e6, 192, 16, 0.004),
        (6.0e6, 192, 23, 0.003 * (32 / 23) ** 0.5),
        (1.6e6, 512, 32, 0.003),
        (12e6, 256, 32, 0.003),
    ],
)
def test_with_less_to_read_steps_are_smaller(read: float, width: int, batch_size: int, rate: float) -> None:
    model = model_config({"vocab_size": 60, "d_model": width, "context_length": 128})
    found = suggested_batch(TrainingConfig(minutes=2.0, batch_size=32), model, read)
    assert found == {"batch_size": batch_size, "learning_rate": pytest.approx(rate, rel=0.01)}


@pytest.mark.parametrize(("processes", "batch_size"), [(1, 15), (2, 16), (4, 16), (12, 24), (40, 40)])
def test_several_processes_divide_a_small_step_evenly(processes: int, batch_size: int) -> None:
    model = model_config({"vocab_size": 60, "d_model": 192, "context_length": 128})
    found = suggested_batch(TrainingConfig(minutes=2.0, batch_size=32), model, 1.6e6, processes)
    assert found["batch_size"] == batch_size


def test_smaller_steps_keep_a_higher_rate_and_that_of_adamw_alone() -> None:
    model = model_config({"vocab_size": 60, "context_length": 128})
    high = TrainingConfig(minutes=0.2, batch_size=6, learning_rate=0.012)
    assert suggested_batch(high, model, 1e6) == {"batch_size": 6, "learning_rate": 0.012}
    alone = TrainingConfig(minutes=2.0, optimizer="adamw")
    assert suggested_batch(alone, model, 1e6)["learning_rate"] == TrainingConfig.learning_rate


@pytest.mark.parametrize(
    ("length", "settings", "batch_size"),
    [
        ({"minutes": 2.0}, {}, 8),
        ({"epochs": 3.0}, {}, 8),
        ({"steps": 300}, {}, 32),
        ({"minutes": 2.0}, {"training.batch_size": 20}, 20),
    ],
)
def test_a_plan_has_small_steps_where_a_text_is_short_and_nobody_chose(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    length: dict[str, float],
    settings: Settings,
    batch_size: int,
) -> None:
    say_speed(monkeypatch, 20_000.0)
    (tmp_path / "book.txt").write_text("Once upon a time there was a fox. " * 400)
    request = train_request(paths=(str(tmp_path / "book.txt"),), settings=settings, **length)
    found = result_of(plan(request, tmp_path))
    assert isinstance(found, TextPlan)
    assert found.training.batch_size == batch_size
