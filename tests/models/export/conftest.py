"""Runs of small models of every architecture, whose weights are drawn and not trained."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from data.character_tokenizer import CharacterTokenizer
from data.tokenizer import Tokenizer
from models.depth import MODES
from models.runs.best_weights import weights_metadata
from models.runs.checkpoint import save_weights
from models.runs.datasets import Dataset
from models.runs.evaluation import Evaluation
from models.runs.run import Run
from models.runs.run_config import DataSection, ModelSection, RunConfig
from tests.models.small_models import small_model, stirred

CHARACTERS = "\n .abcdefghijklmno"
DrawnRun = Callable[..., Run]


def make_run(
    folder: Path,
    architecture: str,
    *,
    name: str = "owl",
    kind: str = "text",
    tokenizer: Tokenizer | None = None,
    **dials: Any,
) -> Run:
    """A run with a small model, and losses that nobody measured."""
    tokenizer = tokenizer or CharacterTokenizer(CHARACTERS)
    model = stirred(small_model(architecture, vocabulary=tokenizer.vocab_size, **dials))
    run = Run.create(name, folder)
    tokenizer.save(run.tokenizer_path)
    config = RunConfig(
        name=name,
        corpus="meadow",
        started_at=1.0,
        model=ModelSection.of(model.config),
        training={"steps": 7},
        data=DataSection(
            paths=("/home/somebody/meadow.txt",),
            content_hash="abc",
            kind=kind,
            tokenizer=tokenizer.kind,
            tokenizer_hash=tokenizer.hash,
        ),
    )
    save_weights(run, model.state_dict(), weights_metadata(tokenizer, config))
    losses = {mode: 2.5 - 0.125 * number for number, mode in enumerate(MODES)}
    run.save_evaluation(
        Evaluation(
            step=7,
            after_steps=7,
            validation_loss=2.375,
            validation_loss_by_mode=losses,
            extrapolated_modes=("extreme",),
            bits_per_byte=3.4,
            validation_tokens=512,
        )
    )
    run.save_datasets(
        [Dataset(name="meadow", content_hash="abc", kind=kind, paths=("/home/somebody/meadow.txt",))]
    )
    run.save_config(config)
    return run


@pytest.fixture
def drawn_run(tmp_path: Path) -> DrawnRun:
    """`drawn_run("looped", ngram=3, kind="messages")`: a run in a folder of the test."""
    return lambda architecture, **more: make_run(tmp_path / "runs", architecture, **more)
