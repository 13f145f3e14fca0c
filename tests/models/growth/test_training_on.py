"""After an expansion training goes on at once: it loses next to nothing on the way, and ends better."""

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from data.cache import set_cache_dir
from models.growth.expand import plan_expansion
from models.planning.extend import extend
from models.planning.plan import TrainRequest, plan_training
from models.runs.events import EvaluationFinished, RunFinished
from models.runs.run import Run
from models.training.trainer import train

STORIES = Path(__file__).resolve().parents[3] / "sample_corpora" / "stories.txt"


def outcome(work: Generator[Any, None, Any]) -> Any:
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


def learned_on(run: Run, steps: int) -> tuple[list[float], float]:
    """Losses on the way, and at the end, of so many further steps."""
    extend(run, steps=steps)
    events = list(run.record(train(run)))
    assert isinstance(events[-1], RunFinished)
    on_the_way = [event.validation_loss for event in events if isinstance(event, EvaluationFinished)]
    return on_the_way, events[-1].validation_loss


@pytest.mark.slow
def test_it_loses_next_to_nothing_on_the_way_and_ends_lower(tmp_path: Path) -> None:
    set_cache_dir(tmp_path / "cache")
    text = tmp_path / "stories.txt"
    text.write_text(STORIES.read_text(encoding="utf-8")[:400_000], encoding="utf-8")
    settings = {"training.evaluation_tokens": 40_000, "training.samples": 0, "training.evaluations": 12}
    request = TrainRequest(
        paths=(str(text),), name="small", d_model=48, n_heads=4, context_length=64, steps=600, threads=1,
        batch_size=32, settings=settings,
    )  # fmt: skip
    small = outcome(plan_training(request, tmp_path / "runs")).start()
    events = list(small.record(train(small)))
    before = [event for event in events if isinstance(event, EvaluationFinished)][-1].validation_loss
    large = plan_expansion(small, {"core": 2, "ff": 192}, name="large", runs_dir=tmp_path / "runs").start()
    way, end = learned_on(large, 300)
    _, unexpanded = learned_on(small, 300)
    print(f"\nbefore {before:.4f}, on the way {[round(loss - before, 4) for loss in way]}, end {end:.4f}, "
          f"unexpanded {unexpanded:.4f}")  # fmt: skip
    assert max(way) <= before + 0.02
    assert end < unexpanded
