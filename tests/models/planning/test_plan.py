"""From what was typed to a plan: what wins over what, and what cannot be meant."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.errors import CorpusError, RlmError, UsageError
from models.config import TrainingConfig
from models.cost.estimate import Estimate
from models.cost.number_format import NumberFormat
from models.planning import create as creation
from models.planning import fit_to_machine
from models.planning.create import plan_creation
from models.planning.plan import plan
from models.planning.text_plan import TextPlan
from models.presets import PRESETS
from models.runs.events import PlanDrafted, RunFinished
from models.runs.run import Run
from models.training.trainer import train
from tests.requests import create_request, train_request

TYPED = {
    # field of the request: (section, its name there, two values)
    "batch_size": ("training", 8, 16),
    "patience": ("training", 2, 3),
    "optimizer": ("training", "adamw", "muon"),
    "seed": ("training", 5, 6),
    "target_loss": ("training", 1.5, 1.25),
    "number_format": ("training", "float32", "bfloat16"),
    "threads": ("training", 1, 2),
    "d_model": ("model", 64, 96),
    "n_heads": ("model", 2, 1),
    "context_length": ("model", 32, 48),
}


@pytest.fixture(autouse=True)
def no_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The speed of this machine is not what is tested."""

    def estimate(model: Any, *_: Any) -> Estimate:
        total, embedding = model.parameter_counts()
        return Estimate(total, embedding, 1_000_000, 10_000.0, NumberFormat("float32", "as asked for"))

    for module in (fit_to_machine, creation):
        monkeypatch.setattr(module, "expected_estimate", estimate)


def test_a_plan_is_drafted_before_the_machine_is_timed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The draft has every row of the plan but for what depends on the speed."""
    (tmp_path / "book.txt").write_text("The owl counted the mice by the old mill. " * 200, encoding="utf-8")
    timed: list[object] = []
    measure = fit_to_machine.expected_estimate
    monkeypatch.setattr(
        fit_to_machine, "expected_estimate", lambda *given: timed.append(given) or measure(*given)
    )
    for length, drafted in (({"steps": 9}, "9 steps, about"), ({"minutes": 2.0}, "2 minutes at most")):
        planning = plan(train_request(paths=(str(tmp_path / "book.txt"),), **length), tmp_path / "runs")
        rows: dict[str, str] = {}
        while True:
            try:
                event = next(planning)
            except StopIteration as end:
                final = dict(end.value.rows())
                break
            if isinstance(event, PlanDrafted):
                rows, before = event.rows, len(timed)
        assert len(timed) == before + 1
        assert rows.keys() == final.keys() and rows["length"].startswith(drafted)
        assert "nan" not in rows["length"] and rows["length"] != final["length"]
        assert rows["parameters"] == final["parameters"]


def planned(corpus: Path, runs: Path, **said: Any) -> TextPlan:
    planning = plan(train_request(paths=(str(corpus),), **said), runs)
    while True:
        try:
            next(planning)
        except StopIteration as end:
            assert isinstance(end.value, TextPlan)
            return end.value


def value_of(found: TextPlan, name: str) -> Any:
    section = TYPED[name][0]
    return getattr(getattr(found, section), name)


@settings(
    max_examples=8, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(origins=st.dictionaries(st.sampled_from(sorted(TYPED)), st.sampled_from(["typed", "set"])))
@pytest.mark.parametrize("preset", [None, "hrm-4m", "nanogpt-cpu"])
def test_typed_and_set_win_over_preset_over_default(
    corpus: Path, tmp_path: Path, preset: str | None, origins: dict[str, str]
) -> None:
    request: dict[str, Any] = {name: TYPED[name][1] for name, origin in origins.items() if origin == "typed"}
    chosen = {
        f"{TYPED[name][0]}.{name}": TYPED[name][2] for name, origin in origins.items() if origin == "set"
    }
    found = planned(corpus, tmp_path, preset=preset, settings=chosen, **request)
    for name, (section, first, second) in TYPED.items():
        if name in origins:
            assert value_of(found, name) == (first if origins[name] == "typed" else second)
        elif preset is not None and name in getattr(PRESETS[preset], section):
            assert value_of(found, name) == getattr(PRESETS[preset], section)[name]
    assert found.model.vocab_size == found.tokenizer.vocab_size


@pytest.mark.parametrize("section", ["model", "training"])
def test_typed_wins_over_a_setting_of_the_same(corpus: Path, tmp_path: Path, section: str) -> None:
    names = [name for name in TYPED if TYPED[name][0] == section]
    chosen = {f"{section}.{name}": TYPED[name][2] for name in names}
    found = planned(corpus, tmp_path, settings=chosen, **{name: TYPED[name][1] for name in names})
    assert {name: value_of(found, name) for name in names} == {name: TYPED[name][1] for name in names}


@pytest.mark.parametrize("preset", [None, *PRESETS])
def test_a_preset_wins_over_what_suits_the_text(corpus: Path, tmp_path: Path, preset: str | None) -> None:
    found = planned(corpus, tmp_path, preset=preset)
    if preset is None:
        assert found.model.architecture == "looped"
        return
    described = PRESETS[preset]
    assert found.model.architecture == described.architecture
    assert {name: getattr(found.model, name) for name in described.model} == dict(described.model)
    assert {name: getattr(found.training, name) for name in described.training} == dict(described.training)


LENGTHS = ({"minutes": 3.0}, {"steps": 40}, {"epochs": 2.0})


@pytest.mark.parametrize("typed", [*LENGTHS, {}])
@pytest.mark.parametrize("chosen", [*LENGTHS, {}])
@pytest.mark.parametrize("preset", [None, "nanogpt-cpu"])
def test_one_length_counts(
    corpus: Path, tmp_path: Path, typed: dict[str, Any], chosen: dict[str, Any], preset: str | None
) -> None:
    settings = {f"training.{name}": value for name, value in chosen.items()}
    found = planned(corpus, tmp_path, preset=preset, settings=settings, **typed).training
    lengths = {name: getattr(found, name) for name in ("minutes", "steps", "epochs")}
    given_lengths = {name: value for name, value in lengths.items() if value is not None}
    if typed or chosen or preset:
        assert given_lengths == (typed or chosen or {"steps": 2000})
    else:
        assert list(given_lengths) == ["minutes"]


@pytest.mark.parametrize(
    "said",
    [
        {"preset": "nanogpt-cup"},
        {"architecture": "rnn"},
        {"preset": "hrm-4m", "architecture": "looped"},
        {"d_model": 33},
        {"d_model": 0},
        {"n_heads": 0},
        {"context_length": 0},
        {"batch_size": 0},
        {"steps": 0},
        {"steps": -3},
        {"minutes": 0.0},
        {"minutes": float("nan")},
        {"minutes": float("inf")},
        {"minutes": 1.0, "steps": 10},
        {"seed": -1},
        {"patience": -1},
        {"optimizer": "sgd"},
        {"device": "abacus"},
        {"number_format": "int3"},
        {"tokenizer": "no/such/tokenizer.json"},
        {"name": "../owl"},
        {"settings": {"training.lerning_rate": "1"}},
        {"settings": {"learning_rate": "1"}},
        {"settings": {"optimizer.rate": "1"}},
        {"settings": {"training.learning_rate": "fast"}},
        {"settings": {"training.learning_rate": "nan"}},
        {"settings": {"training.batch_size": "2.5"}},
        {"settings": {"training.micro_batch": "0"}},
        {"settings": {"training.evaluation_tokens": "0"}},
        {"settings": {"training.beta2": "1.5"}},
        {"settings": {"training.beta1": "-1"}},
        {"settings": {"training.embedding_rate": "-1"}},
        {"settings": {"training.average_decay": "1.1"}},
        {"settings": {"training.checkpoint_minutes": "-1"}},
        {"settings": {"model.core_layers": "0"}},
        {"settings": {"model.gradient_cycles": "1"}},
        {"settings": {"model.ngram": "-1"}},
    ],
    ids=str,
)
def test_what_cannot_be_meant_is_a_sentence(corpus: Path, tmp_path: Path, said: dict[str, Any]) -> None:
    with pytest.raises(RlmError) as caught:
        planned(corpus, tmp_path, **said).start()
    assert caught.value.message.endswith(".") and "\n" not in caught.value.message


def test_a_near_name_is_offered(corpus: Path, tmp_path: Path) -> None:
    for said, near in (
        ({"preset": "nanogpt-cup"}, "nanogpt-cpu"),
        ({"settings": {"training.lerning_rate": "1"}}, "training.learning_rate"),
    ):
        with pytest.raises(UsageError) as caught:
            planned(corpus, tmp_path, **said)  # type: ignore[arg-type]
        assert caught.value.hint is not None and near in caught.value.hint


def test_a_text_shorter_than_a_context_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "short.txt"
    text.write_text("a few words only", encoding="utf-8")
    with pytest.raises(CorpusError, match="too short"):
        planned(text, tmp_path)


def test_planning_writes_nothing_and_starting_makes_a_run_that_trains(corpus: Path, tmp_path: Path) -> None:
    runs = tmp_path / "somewhere"
    found = planned(
        corpus, runs, steps=3, d_model=32, n_heads=2, context_length=16, batch_size=2,
        number_format="float32", threads=1, settings={"training.compile": "no", "training.samples": "0"},
    )  # fmt: skip
    assert not runs.exists()
    assert all(isinstance(text, str) and text for row in found.rows() for text in row)
    described = found.to_dict()
    assert described["parameters"] == found.estimate.parameters
    assert described["training"]["steps"] == 3 and described["expected_tokens"] == 3 * 2 * 16
    run = found.start()
    assert run.name == found.name == "meadow"
    assert run.config().model.dials == described["model"]
    last = list(train(run))[-1]
    assert isinstance(last, RunFinished) and last.parameters == found.estimate.parameters
    assert planned(corpus, runs, steps=3).name == "meadow-2"
    with pytest.raises(UsageError, match="already"):
        planned(corpus, runs, steps=3, name="meadow")


def test_a_created_model_keeps_its_shape_when_it_is_trained(corpus: Path, tmp_path: Path) -> None:
    creating = create_request(
        name="owl", architecture="hrm", d_model=32, n_heads=2, context_length=16, seed=4,
        settings={"model.d_feed_forward": 32, "training.batch_size": 3},
    )  # fmt: skip
    created: Run = plan_creation(creating, tmp_path).start()
    found = planned(corpus, tmp_path, name="owl", steps=2)
    assert dataclasses.asdict(found.model) == {
        **{key: value for key, value in created.config().model.dials.items() if key != "architecture"},
        "vocab_size": found.tokenizer.vocab_size,
    }
    assert found.model.architecture == "hrm"
    assert (found.training.batch_size, found.training.seed) == (3, 4)
    assert found.start().path == created.path


@settings(max_examples=20, deadline=None, database=None)
@given(typed=st.sets(st.sampled_from(["d_model", "n_heads", "context_length", "seed"])), named=st.booleans())
def test_creating_follows_the_same_order(typed: set[str], named: bool) -> None:
    preset = "hrm-4m" if named else None
    values = {name: TYPED[name][1] for name in typed}
    chosen = {f"{TYPED[name][0]}.{name}": TYPED[name][2] for name in TYPED if TYPED[name][0] == "model"}
    with pytest.MonkeyPatch.context() as patch:
        counted = Estimate(1, 1, 1, 1.0, NumberFormat("float32", ""))
        patch.setattr(creation, "expected_estimate", lambda *_: counted)
        found = plan_creation(
            create_request(name="owl", preset=preset, settings={**chosen, "training.seed": 6}, **values),
            Path("runs"),
        )
    for name, (section, first, second) in TYPED.items():
        if section == "model":
            assert getattr(found.model, name) == (first if name in typed else second)
    assert found.training["seed"] == (5 if "seed" in typed else 6)


def test_defaults_are_those_of_the_configuration(corpus: Path, tmp_path: Path) -> None:
    found = dataclasses.asdict(planned(corpus, tmp_path, steps=7).training)
    defaults = {**dataclasses.asdict(TrainingConfig()), "steps": 7}
    chosen = {name for name in defaults if found[name] != defaults[name]}
    # Only what belongs to the recipe for a text may differ; what a user alone can know may not.
    assert not chosen & {"seed", "device", "threads", "patience", "target_loss", "number_format"}
