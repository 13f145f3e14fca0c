"""Small models of every kind with random weights, tiny runs, and a disk that fills up."""

import errno
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from data.cache import set_cache_dir
from data.progress import result_of
from models.architectures import build_model, model_config
from models.config import ModelConfig
from models.growth.expand import ExpansionPlan, plan_expansion
from models.planning.plan import plan
from models.recursive_lm import RecursiveLM
from models.runs.run import Run
from models.runs.run_config import Calibration
from models.training.control import Control
from models.training.trainer import train
from tests.models.growth.kills import Operations
from tests.requests import train_request

Configured = Callable[..., ModelConfig]
Stirred = Callable[[ModelConfig], RecursiveLM]
NewRun = Callable[..., Run]
Learn = Callable[..., None]
Grow = Callable[..., ExpansionPlan]

VOCABULARY, CONTEXT = 40, 24
KINDS: dict[str, dict[str, Any]] = {
    "looped": {"architecture": "looped", "ngram": 2},
    "looped-tied": {"architecture": "looped", "tied": True, "core_layers": 2, "positions": "learned"},
    "hrm": {"architecture": "hrm", "l_layers": 2, "h_layers": 1, "d_feed_forward": 48, "ngram": 1},
    "hrm-stablemax": {"architecture": "hrm", "l_layers": 1, "h_layers": 1, "d_feed_forward": 64,
                      "output": "stablemax", "positions": "sinusoidal"},
    "hrm-sudoku": {"architecture": "hrm", "l_layers": 1, "h_layers": 1, "d_feed_forward": 48,
                   "task": "sudoku", "vocab_size": 5, "context_length": 16},
    "trm": {"architecture": "trm", "layers": 1, "d_feed_forward": 48, "ngram": 3},
    "trm-sudoku": {"architecture": "trm", "layers": 1, "d_feed_forward": 48, "task": "sudoku",
                   "vocab_size": 5, "context_length": 16, "positions": "learned"},
    "trm-mixer": {"architecture": "trm", "layers": 2, "d_feed_forward": 48, "task": "sudoku",
                  "vocab_size": 5, "context_length": 16, "mixer": "mlp"},
    "ouroboros": {"architecture": "ouroboros", "passes": 4, "ngram": 1},
    "ouroboros-untied": {"architecture": "ouroboros", "passes": 8, "tied": False, "positions": "learned"},
    "router": {"architecture": "recursive_router", "n_layers": 2, "ngram": 1},
    "router-soft": {"architecture": "recursive_router", "n_layers": 1, "router": "soft", "tied": True,
                    "positions": "learned"},
    "router-fixed": {"architecture": "recursive_router", "n_layers": 1, "router": "fixed"},
    "mor": {"architecture": "mixture_of_recursions", "n_layers": 2, "ngram": 1, "exploration": 1.0},
    "mor-tied": {"architecture": "mixture_of_recursions", "n_layers": 1, "max_steps": 1, "tied": True,
                 "positions": "sinusoidal", "exploration": 1.0},
    "mor-fixed": {"architecture": "mixture_of_recursions", "n_layers": 2, "router": "fixed"},
    "transformer": {"architecture": "transformer", "n_layers": 2, "ngram": 2},
    "transformer-gpt2": {"architecture": "transformer", "n_layers": 2, "tied": True, "norm": "layer",
                         "feed_forward": "gelu", "gpt2_weights": True, "qk_norm": False,
                         "positions": "learned"},
}  # fmt: skip
"""Every architecture, with the settings that change its structure."""
DIALS = {
    "model.ngram": 1, "training.evaluations": 2, "training.samples": 0, "training.compile": "no",
    "training.warmup_steps": 2,
}  # fmt: skip


@pytest.fixture(autouse=True)
def one_thread(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    set_cache_dir(tmp_path_factory.mktemp("cache"))
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(params=list(KINDS))
def kind(request: pytest.FixtureRequest) -> str:
    """Each of KINDS."""
    return str(request.param)


@pytest.fixture
def configured() -> Configured:
    """`configured("hrm", ngram=2)`: the configuration of one of KINDS, or of an architecture."""

    def make(kind: str, **more: Any) -> ModelConfig:
        small = {"d_model": 32, "n_heads": 2, "context_length": CONTEXT, "vocab_size": VOCABULARY}
        return model_config({**small, **KINDS.get(kind, {"architecture": kind}), **more})

    return make


@pytest.fixture
def stirred() -> Stirred:
    """`stirred(config)`: a model with every weight changed at random, so that none is zero."""

    def make(config: ModelConfig) -> RecursiveLM:
        torch.manual_seed(0)
        model = build_model(config)
        with torch.no_grad():
            for weight in model.parameters():
                spread = 0.35 * weight.size(-1) ** -0.5 if weight.ndim >= 2 else 0.2
                weight.add_(torch.randn_like(weight) * spread)
        return model.eval()

    return make


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def text(tmp_path: Path) -> Path:
    """A text long enough for byte pairs, with a few repeated words."""
    path = tmp_path / "meadow.txt"
    words = ("owl", "fox", "hen", "bee", "cow", "hoots", "barks", "clucks", "listens", "meadow")
    line = " ".join(words[(7 * i) % 10] + ("," if i % 5 == 0 else "") for i in range(40))
    path.write_text("".join(f"{line[i % 50 :]}.\n" for i in range(60)), encoding="utf-8")
    return path


@pytest.fixture
def new_run(runs: Path, text: Path) -> NewRun:
    """`new_run("owl", "hrm", tokenizer="bpe", steps=4)`: a run that is planned and has no steps yet."""

    def make(
        name: str = "owl", architecture: str = "looped", *, tokenizer: str = "character", **more: Any
    ) -> Run:
        said = {"steps": 6, "batch_size": 4, "d_model": 16, "n_heads": 2, "context_length": 16, **more}
        request = train_request(
            paths=(str(text),), name=name, architecture=architecture, tokenizer=tokenizer,
            vocab_size=300 if tokenizer == "bpe" else None, threads=1, device="cpu",
            number_format="float32", settings=DIALS, **said,
        )  # fmt: skip
        run: Run = result_of(plan(request, runs)).start()
        calibration = Calibration(  # measuring takes seconds
            device="cpu", number_format="float32", compiled=False, threads=1, micro_batch=4,
            shallow_step_s=0.01, deep_step_s=0.02,
        )  # fmt: skip
        run.save_config(replace(run.config(), calibration=calibration))
        return run

    return make


@pytest.fixture
def grow(runs: Path) -> Grow:
    """`grow(run, core=2)`: the plan of an expansion."""

    def plan(
        run: Run, name: str | None = "wide", target: int | None = None, **new_sizes: int
    ) -> ExpansionPlan:
        by_axis = {axis.replace("_", "-"): size for axis, size in new_sizes.items()}
        return plan_expansion(run, by_axis, target_parameters=target, name=name, runs_dir=runs)

    return plan


@pytest.fixture
def learn() -> Learn:
    """`learn(run, until=3)`: train to the end, or pause at that step."""

    def train_it(run: Run, until: int | None = None) -> None:
        control = Control()
        for event in run.record(train(run, control)):
            if until is not None and getattr(event, "step", 0) >= until:
                control.pause()

    return train_it


class FullDisk:
    """Counts the writing operations of `os`, and makes them fail from a given one on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count, self.full_from = 0, 0
        for name in ("open", "write", "fsync", "mkdir", "rename", "replace"):
            monkeypatch.setattr(os, name, self._watched(name, getattr(os, name)))

    def full_after(self, operations: int | None) -> None:
        """Let the operations after so many fail; None: none fails."""
        self.count, self.full_from = 0, 0 if operations is None else operations + 1

    def _watched(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def operation(*args: Any, **kwargs: Any) -> Any:
            if name == "open" and not args[1] & os.O_CREAT:  # reading needs no space
                return original(*args, **kwargs)
            self.count += 1
            if self.full_from and self.count >= self.full_from:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return original(*args, **kwargs)

        return operation


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> FullDisk:
    return FullDisk(monkeypatch)


@pytest.fixture
def operations(monkeypatch: pytest.MonkeyPatch) -> Iterator[Operations]:
    """What changes folders, counted, and ended where a test says."""
    found = Operations(monkeypatch)
    yield found
    found.arm(0)
