"""Runs of tiny models over a small text, made without a plan so that they are the same everywhere."""

import random
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from data.cache import set_cache_dir
from data.character_tokenizer import CharacterTokenizer
from data.corpus import scan_corpus
from data.progress import result_of
from models.architectures import model_config
from models.config import TrainingConfig
from models.planning import plan as planning
from models.runs.datasets import Dataset
from models.runs.events import Event
from models.runs.run import Run
from models.runs.run_config import Calibration, DataSection, ModelSection, RunConfig
from models.settings import from_dict
from models.training.trainer import train
from tests.requests import train_request

CONTEXT = 16
MODEL = {"d_model": 32, "n_heads": 2, "context_length": CONTEXT, "ngram": 1}
SHAPES: dict[str, dict[str, Any]] = {
    "looped": {},
    "hrm": {"l_layers": 1, "h_layers": 1, "d_feed_forward": 32},
    "trm": {"layers": 1, "d_feed_forward": 32},
    "transformer": {"n_layers": 2},
}
STEPS = 12
TRAINING = {
    "batch_size": 4,
    "warmup_steps": 3,
    "evaluations": 4,
    "samples": 2,
    "number_format": "float32",
    "compile": "no",
    "device": "cpu",
    "threads": 1,
}
RIVER = "река и лес. " * 40 + "the bee hums, the owl sleeps! " * 60

NewRun = Callable[..., Run]


@pytest.fixture
def fast_training(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One thread, and a cache of its own."""
    set_cache_dir(tmp_path_factory.mktemp("cache"))
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
    torch.set_flush_denormal(False)


@pytest.fixture
def meadow(tmp_path: Path) -> Path:
    """A text in a small language: something a tiny model learns quickly."""
    draw = random.Random(0)
    nouns, verbs = ("owl", "fox", "hen", "bee"), ("sees", "hears", "calls")
    lines = (f"the {draw.choice(nouns)} {draw.choice(verbs)} the {draw.choice(nouns)}.\n" for _ in range(120))
    path = tmp_path / "meadow.txt"
    path.write_text("".join(lines), encoding="utf-8")
    return path


@pytest.fixture
def river(tmp_path: Path) -> Path:
    """A text with other characters than the meadow."""
    path = tmp_path / "river.txt"
    path.write_text(RIVER, encoding="utf-8")
    return path


@pytest.fixture
def meadow_run(fast_training: None, tmp_path: Path, meadow: Path) -> NewRun:
    """`meadow_run("owl", "hrm", model={"dropout": 0.1}, steps=20)`: a run ready for `train`."""
    corpus = result_of(scan_corpus([meadow]))
    tokenizer = CharacterTokenizer("".join(sorted(corpus.character_counts)))

    def make(
        name: str = "owl",
        architecture: str = "looped",
        *,
        model: dict[str, Any] | None = None,
        calibrated: bool = True,
        **training: Any,
    ) -> Run:
        shape = {**MODEL, **SHAPES.get(architecture, {}), **(model or {})}
        values = {"architecture": architecture, **shape, "vocab_size": tokenizer.vocab_size}
        lengths = {} if {"minutes", "epochs"} & training.keys() else {"steps": STEPS}
        config = from_dict(TrainingConfig, {**TRAINING, **lengths, **training}, "training")
        calibration = Calibration(
            device="cpu",
            number_format="float32",
            compiled=False,
            threads=1,
            micro_batch=config.micro_batch or config.batch_size,
            shallow_step_s=0.01,
            deep_step_s=0.02,
        )
        run = Run.create(name, tmp_path / "runs")
        tokenizer.save(run.tokenizer_path)
        run.save_config(
            RunConfig(
                started_at=time.time(),
                model=ModelSection.of(model_config(values)),
                training=asdict(config),
                data=DataSection(paths=(str(meadow),), content_hash=corpus.content_hash, kind=corpus.kind),
                calibration=calibration if calibrated else None,
            )
        )
        return run

    return make


@pytest.fixture
def new_run(meadow_run: NewRun) -> NewRun:
    """As `meadow_run`; a folder of tests may have other runs under this name."""
    return meadow_run


@pytest.fixture
def go() -> Callable[[Run], list[Event]]:
    """Train a run to its end."""
    return lambda run: list(run.record(train(run)))


@pytest.fixture
def plan() -> Callable[..., Any]:
    """`plan(run, text, replay=0.2)`: the plan of going on with a text; of a new run where `run` is None."""

    def make(run: Run | None, text: Path, **settings: Any) -> Any:
        folder = run.path.parent if run is not None else text.parent / "runs"
        request = train_request(paths=(str(text),), continue_run=run and run.name, **{"steps": 5, **settings})
        return result_of(planning.plan(request, folder))

    return make


@pytest.fixture
def trained_run(meadow_run: NewRun, meadow: Path, go: Callable[[Run], list[Event]]) -> NewRun:
    """As `meadow_run`, trained to its end."""

    def make(*arguments: Any, **settings: Any) -> Run:
        run = meadow_run(*arguments, **settings)
        entry = Dataset(
            name="meadow",
            content_hash=run.config().content_hash,
            characters=len(meadow.read_text(encoding="utf-8")),
            paths=(str(meadow),),
        )
        run.save_datasets([entry])
        go(run)
        return run

    return make


@pytest.fixture(scope="session")
def owl_to_copy() -> dict[str, Path]:
    """The run `owl` and the folder it was made in, once there is one."""
    return {}


@pytest.fixture
def owl(
    trained_run: NewRun,
    tmp_path: Path,
    owl_to_copy: dict[str, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Run:
    """A run that has learned the meadow. It is trained once and copied."""
    if not owl_to_copy:
        run = trained_run("owl", steps=6, evaluations=2, average_decay=0.9)
        owl_to_copy["run"] = shutil.copytree(run.path, tmp_path_factory.mktemp("owl") / "owl")
        owl_to_copy["made in"] = tmp_path
        return run
    path = shutil.copytree(owl_to_copy["run"], tmp_path / "runs" / "owl")
    for file in (*path.glob("*.json"), *path.glob("*.jsonl")):
        content = file.read_text(encoding="utf-8")
        file.write_text(content.replace(str(owl_to_copy["made in"]), str(tmp_path)), encoding="utf-8")
    return Run.open("owl", path.parent)


@pytest.fixture
def changed_calibration() -> Callable[..., Run]:
    """`changed_calibration(run, number_format="float16")`: the run with another calibration."""

    def change(run: Run, **values: Any) -> Run:
        config = run.config()
        assert config.calibration is not None
        run.save_config(replace(config, calibration=replace(config.calibration, **values)))
        return run

    return change
