"""Training continues after an expansion: the loss hardly rises at first, and ends lower."""

from pathlib import Path

import pytest

from data.cache import set_cache_dir
from data.progress import result_of
from models.growth.expand import plan_expansion
from models.planning.extend import extend
from models.planning.plan import plan
from models.runs.events import EvaluationFinished, RunFinished
from models.runs.run import Run
from models.training.trainer import train
from tests.requests import train_request

STORIES = Path(__file__).resolve().parents[3] / "sample_corpora" / "stories.txt"


def learned_on(run: Run, steps: int) -> tuple[list[float], float]:
    """The losses during so many further steps, and the final one."""
    extend(run, steps=steps)
    events = list(run.record(train(run)))
    assert isinstance(events[-1], RunFinished)
    on_the_way = [event.validation_loss for event in events if isinstance(event, EvaluationFinished)]
    return on_the_way, events[-1].validation_loss


@pytest.mark.slow
def test_the_loss_hardly_rises_and_ends_lower(tmp_path: Path) -> None:
    set_cache_dir(tmp_path / "cache")
    text = tmp_path / "stories.txt"
    text.write_text(STORIES.read_text(encoding="utf-8")[:400_000], encoding="utf-8")
    settings = {"training.evaluation_tokens": 40_000, "training.samples": 0, "training.evaluations": 12}
    request = train_request(
        paths=(str(text),), name="small", d_model=48, n_heads=4, context_length=64, steps=600, threads=1,
        batch_size=32, settings=settings,
    )  # fmt: skip
    small = result_of(plan(request, tmp_path / "runs")).start()
    events = list(small.record(train(small)))
    before = [event for event in events if isinstance(event, EvaluationFinished)][-1].validation_loss
    large = plan_expansion(small, {"core": 2, "ff": 192}, name="large", runs_dir=tmp_path / "runs").start()
    way, end = learned_on(large, 300)
    _, unexpanded = learned_on(small, 300)
    print(f"\nbefore {before:.4f}, on the way {[round(loss - before, 4) for loss in way]}, end {end:.4f}, "
          f"unexpanded {unexpanded:.4f}")  # fmt: skip
    assert max(way) <= before + 0.02
    assert end < unexpanded
