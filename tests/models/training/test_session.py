"""A training in memory: what it frees at its end."""

import gc
import weakref
from collections.abc import Callable

import pytest
import torch

from models.runs.checkpoint import load_weights
from models.runs.run import Run
from models.training.trainer import training_loop
from tests.models.training.sessions import session_of, take_step

NewRun = Callable[..., Run]


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_loading_the_best_weights_frees_gradients_moments_and_average(
    new_run: NewRun, optimizer: str
) -> None:
    session = session_of(new_run(optimizer=optimizer, average_decay=0.9, evaluations=12))
    for _ in range(3):
        take_step(session)
    assert session.learner.average is not None
    held = [*session.optimizers.state().values(), *session.learner.average.shadow.values()]
    references = [weakref.ref(tensor) for tensor in held]
    assert references and any(weight.grad is not None for weight in session.model.parameters())
    del held

    model = session.load_best_weights()

    gc.collect()
    assert all(reference() is None for reference in references)
    assert session.optimizers.state() == {} and session.learner.average is None
    assert all(weight.grad is None for weight in model.parameters())
    weights, _ = load_weights(session.run.weights_path)
    assert all(torch.equal(weight, weights[name]) for name, weight in model.state_dict().items())


def test_a_finished_training_holds_no_moments(new_run: NewRun) -> None:
    session = session_of(new_run(steps=3, average_decay=0.9))
    list(training_loop(session))
    assert session.optimizers.state() == {} and session.learner.average is None
