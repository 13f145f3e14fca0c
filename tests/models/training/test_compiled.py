"""A compiled training against one that is not compiled."""

from collections.abc import Callable

import pytest

from models.device import choose_device
from models.layers.compilation import compiler_problem
from models.runs.events import RunStarted, StepFinished
from models.runs.run import Run
from models.training.trainer import train

NewRun = Callable[..., Run]


@pytest.mark.slow
def test_a_compiled_training_learns_what_another_does(new_run: NewRun) -> None:
    if (problem := compiler_problem(choose_device("cpu"))) is not None:
        pytest.skip(problem)
    losses = {}
    for compile in ("no", "yes"):
        run = new_run(compile, "transformer", steps=6, samples=1, compile=compile, calibrated=False)
        events = list(train(run))
        (started,) = (event for event in events if isinstance(event, RunStarted))
        assert started.compiled == (compile == "yes")
        losses[compile] = [event.loss for event in events if isinstance(event, StepFinished)]
    assert len(losses["yes"]) == 6
    assert losses["yes"] == pytest.approx(losses["no"], rel=1e-3)
