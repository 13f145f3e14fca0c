"""Tiny runs, trained once for seconds; each test damages a copy of its own."""

import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from data.cache import set_cache_dir
from data.progress import result_of
from models.planning.plan import plan
from models.planning.text_plan import TextPlan
from models.runs.checkpoint import load_checkpoint, load_weights, save_checkpoint, save_weights
from models.runs.run import Run
from models.training.trainer import train
from tests.requests import train_request

Trained = Callable[..., Run]


def meadow(lines: int, seed: int = 0) -> str:
    """Lines of a small language that a tiny model learns quickly."""
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
        request = train_request(
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
        found = result_of(plan(request, folder / "runs"))
        assert isinstance(found, TextPlan)
        for _ in train(found.start()):
            pass
    return folder


@pytest.fixture
def trained(_runs: Path, tmp_path: Path) -> Trained:
    """`trained("owl", "jay")`: a copy of the run `owl` named jay, for one test."""

    def copied(name: str = "owl", called: str | None = None) -> Run:
        target = tmp_path / "runs" / (called or name)
        shutil.copytree(_runs / "runs" / name, target)
        return Run.open(target, target.parent)

    return copied


def without_copies(run: Run) -> None:
    """Remove the tokenizer from the run's weights and checkpoints; tokenizer.json stays."""
    weights, metadata = load_weights(run.weights_path)
    metadata.pop("tokenizer")
    save_weights(run, weights, metadata)
    snapshot, _ = load_checkpoint(run)
    shutil.rmtree(run.checkpoints_path)
    save_checkpoint(run, snapshot, pointers=("latest", "best"))


def without_text(run: Run) -> None:
    """Let the path of the training text lead nowhere."""
    config = run.config()
    run.save_config(replace(config, data=replace(config.data, paths=("gone.txt",))))
    run.save_datasets([replace(entry, paths=("gone.txt",)) for entry in run.datasets()])


def without_hash(run: Run) -> None:
    config = run.config()
    run.save_config(replace(config, data=replace(config.data, tokenizer_hash=None)))


@pytest.fixture
def strip() -> Callable[..., None]:
    """`strip(run, "copies", "text", "hash")`: remove what the tokenizer could be restored from."""
    ways = {"copies": without_copies, "text": without_text, "hash": without_hash}

    def remove(run: Run, *what: str) -> None:
        for each in what:
            ways[each](run)

    return remove
