"""Runs of tiny models over a small text, made without a plan so that they are the same everywhere."""

import dataclasses
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from data.cache import set_cache_dir
from data.character_tokenizer import CharacterTokenizer
from data.corpus import scan_corpus
from models.architectures import model_config
from models.config import TrainingConfig, from_dict
from models.generation import samples as sample
from models.runs.run import Run
from models.training.calibrate import Measured
from models.training.open import Opened, open_training

CONTEXT = 16
MODEL = {"d_model": 32, "n_heads": 2, "context_length": CONTEXT, "lookback": 1}
SHAPES: dict[str, dict[str, Any]] = {
    "looped": {},
    "hrm": {"l_layers": 1, "h_layers": 1, "d_feed_forward": 32},
    "trm": {"layers": 1, "d_feed_forward": 32},
    "transformer": {"n_layers": 2},
}
TRAINING = {
    "steps": 12,
    "batch_size": 4,
    "warmup_steps": 3,
    "evaluations": 4,
    "samples": 2,
    "number_format": "float32",
    "compile": "no",
    "device": "cpu",
    "threads": 1,
}

NewRun = Callable[..., Run]
OpenRun = Callable[[Run], Opened]


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One thread, short samples, and a cache of our own."""
    set_cache_dir(tmp_path_factory.mktemp("cache"))
    monkeypatch.setattr(sample, "SAMPLE", sample.SAMPLE.changed(max_tokens=6))
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
    torch.set_flush_denormal(False)


def text_of(words: int, seed: int = 0) -> str:
    """Lines of a small language: something a tiny model learns quickly."""
    draw = random.Random(seed)
    nouns, verbs = ("owl", "fox", "hen", "bee"), ("sees", "hears", "calls")
    lines = (
        f"the {draw.choice(nouns)} {draw.choice(verbs)} the {draw.choice(nouns)}.\n" for _ in range(words)
    )
    return "".join(lines)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "meadow.txt"
    path.write_text(text_of(120), encoding="utf-8")
    return path


@pytest.fixture
def new_run(tmp_path: Path, corpus: Path) -> NewRun:
    """`new_run("owl", "hrm", model={"dropout": 0.1}, steps=20)`: a run ready for `train`."""
    scanning = scan_corpus([corpus])
    while True:
        try:
            next(scanning)
        except StopIteration as end:
            scanned = end.value
            break
    tokenizer = CharacterTokenizer("".join(sorted(scanned.character_counts)))

    def make(
        name: str = "owl",
        architecture: str = "looped",
        *,
        model: dict[str, Any] | None = None,
        measured: bool = True,
        **training: Any,
    ) -> Run:
        shape = {**MODEL, **SHAPES.get(architecture, {}), **(model or {})}
        values = {**shape, "vocab_size": tokenizer.vocab_size}
        described = model_config({"architecture": architecture, **values})
        lengths = {} if {"minutes", "epochs"} & training.keys() else {"steps": TRAINING["steps"]}
        dials = {key: value for key, value in TRAINING.items() if key != "steps"}
        config = from_dict(TrainingConfig, {**dials, **lengths, **training}, "training")
        run = Run.create(name, tmp_path / "runs")
        tokenizer.save(run.tokenizer_path)
        found = Measured("cpu", "float32", False, 1, config.micro_batch or config.batch_size, 0.01, 0.02)
        run.write_config(
            {
                "started_at": time.time(),
                "model": {"architecture": architecture, **dataclasses.asdict(described)},
                "training": dataclasses.asdict(config),
                "data": {
                    "paths": [str(corpus)],
                    "content_hash": scanned.content_hash,
                    "kind": scanned.kind,
                },
                **({"measured": dataclasses.asdict(found)} if measured else {}),
            }
        )
        return run

    return make


@pytest.fixture
def opened() -> OpenRun:
    """`opened(run)`: the training in memory, without its events. One test, one writer: no lock."""

    def open_run(run: Run) -> Opened:
        opening = open_training(run)
        while True:
            try:
                next(opening)
            except StopIteration as end:
                found: Opened = end.value
                return found

    return open_run
