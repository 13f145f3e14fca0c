"""Tiny runs trained for seconds, once; each test damages a copy of its own."""

import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from data.cache import set_cache_dir
from models.planning.plan import TrainRequest, plan_training
from models.planning.text_plan import Plan
from models.runs.checkpoint import load_checkpoint, load_weights, save_checkpoint, save_weights
from models.runs.run import Run
from models.training.trainer import train

Trained = Callable[..., Run]


def meadow(lines: int, seed: int = 0) -> str:
    """Lines of a small language: something a tiny model learns quickly."""
    draw = random.Random(seed)
    nouns, verbs = ("Owl", "Fox", "hen", "bee", "jay"), ("sees", "hears", "calls", "wakes")
    sentences = (
        f"The {draw.choice(nouns)} {draw.choice(verbs)} the {draw.choice(nouns)}; is it {draw.randint(1, 9)}?"
        for _ in range(lines)
    )
    return "\n".join(sentences) + "\n"


@pytest.fixture(scope="session", autouse=True)
def _one_thread(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    set_cache_dir(tmp_path_factory.mktemp("cache"))
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def _runs(tmp_path_factory: pytest.TempPathFactory, _one_thread: None) -> Path:
    """A character run `owl` and a byte-pair run `fox`, and the text of both."""
    folder = tmp_path_factory.mktemp("recovery")
    (folder / "meadow.txt").write_text(meadow(400), encoding="utf-8")
    for name, kind, vocabulary in (("owl", "character", None), ("fox", "bpe", 300)):
        request = TrainRequest(
            paths=(str(folder / "meadow.txt"),),
            name=name,
            architecture="transformer",
            d_model=32,
            n_heads=2,
            context_length=32,
            batch_size=8,
            steps=120,
            tokenizer=kind,
            vocab_size=vocabulary,
            device="cpu",
            number_format="float32",
            threads=1,
            settings={"training.compile": "no", "model.n_layers": 1, "training.samples": 0},
        )
        planning = plan_training(request, folder / "runs")
        while True:
            try:
                next(planning)
            except StopIteration as end:
                plan = end.value
                break
        assert isinstance(plan, Plan)
        for _ in train(plan.start()):
            pass
    return folder


@pytest.fixture
def trained(_runs: Path, tmp_path: Path) -> Trained:
    """`trained("owl", "jay")`: a copy of the run `owl`, called jay, that a test may do anything to."""

    def copied(name: str = "owl", called: str | None = None) -> Run:
        target = tmp_path / "runs" / (called or name)
        shutil.copytree(_runs / "runs" / name, target)
        return Run.open(target, target.parent)

    return copied


def without_copies(run: Run) -> None:
    """Take the vocabulary out of the run's weights and checkpoints; tokenizer.json stays."""
    weights, metadata = load_weights(run.weights_path)
    metadata.pop("tokenizer")
    save_weights(run, weights, metadata)
    snapshot, _ = load_checkpoint(run)
    shutil.rmtree(run.checkpoints_path)
    save_checkpoint(run, snapshot, pointers=("latest", "best"))


def without_text(run: Run) -> None:
    """Make what the run was trained on a file that is gone."""
    config = run.read_config()
    config["data"]["paths"] = ["gone.txt"]
    run.write_config(config)
    datasets = [{**entry, "paths": ["gone.txt"]} for entry in run.read_json("datasets.json") or []]
    run.write_json("datasets.json", datasets)


def without_hash(run: Run) -> None:
    config = run.read_config()
    del config["data"]["tokenizer_hash"]
    run.write_config(config)


@pytest.fixture
def strip() -> Callable[..., None]:
    """`strip(run, "copies", "text", "hash")`: take away what a tokenizer could be known from."""
    ways = {"copies": without_copies, "text": without_text, "hash": without_hash}

    def taken(run: Run, *what: str) -> None:
        for each in what:
            ways[each](run)

    return taken
