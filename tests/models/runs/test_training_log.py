import math
import re
from dataclasses import MISSING, fields
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from models.runs import events
from models.runs.events import Event, SampleGenerated, StepFinished
from models.runs.training_log import STEP_INTERVAL_S, TrainingLogLines

KINDS = [
    kind
    for kind in vars(events).values()
    if isinstance(kind, type) and issubclass(kind, Event) and kind is not Event
]
SHARES = st.dictionaries(st.text(max_size=5), st.floats(), max_size=3)
VALUES: dict[Any, st.SearchStrategy[Any]] = {
    int: st.integers(-5, 10**12),
    float: st.floats(),
    str: st.text(max_size=20),
    bool: st.booleans(),
    float | None: st.none() | st.floats(),
    int | None: st.none() | st.integers(0, 10**6),
    str | None: st.none() | st.text(max_size=20),
    dict[str, float]: SHARES,
    dict[str, float] | None: st.none() | SHARES,
    dict[str, dict[str, float]] | None: st.none() | st.dictionaries(st.text(max_size=5), SHARES, max_size=2),
    dict[str, str]: st.dictionaries(st.text(max_size=5), st.text(max_size=9), max_size=3),
}


def of_kind(kind: type[Event]) -> st.SearchStrategy[Event]:
    values = {field.name: VALUES[field.type] for field in fields(kind) if field.default_factory is MISSING}
    return st.builds(kind, **values, time=st.floats(0, 4e9))


any_event = st.sampled_from(KINDS).flatmap(of_kind)


def step(number: int, time: float) -> StepFinished:
    return StepFinished(
        time=time,
        step=number,
        total_steps=100,
        epoch=0.5,
        loss=2.0,
        learning_rate=1e-3,
        gradient_norm=1.0,
        depth="2x2",
        tokens_seen=10,
        tokens_per_second=5.0,
        elapsed_s=1.0,
        eta_s=2.0,
    )


@given(event=any_event)
def test_every_event_is_described_and_harmless(event: Event) -> None:
    lines = list(TrainingLogLines().of(event))
    assert bool(lines) == event.lasting
    for line in lines:
        assert not re.search("[\x00-\x08\x0a-\x1f\x7f-\x9f\u202a-\u202e]", line)
    if lines:
        assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  ", lines[0])


def test_steps_are_thinned_and_the_last_one_before_something_else_stands() -> None:
    log = TrainingLogLines()
    lines = [line for number in range(1, 101) for line in log.of(step(number, 1000 + number * 0.3))]
    assert 2 <= len(lines) <= 1 + 30 / STEP_INTERVAL_S
    final = list(log.of(events.CheckpointSaved(time=1031.0, step=100, path="p", reason="interval")))
    assert len(final) == 2 and "step 100/100" in final[0] and "Checkpoint at step 100" in final[1]


def test_a_figure_line_holds_what_was_promised() -> None:
    (line,) = TrainingLogLines().of(step(50, 1000.0))
    assert all(
        word in line for word in ("step 50/100", "epoch 0.50", "loss 2.0000", f"perplexity {math.exp(2):.4f}")
    )


def test_a_sample_is_set_off_line_by_line() -> None:
    lines = list(TrainingLogLines().of(SampleGenerated(step=3, prompt="Once", text=" upon\na \x1b[31mtime")))
    assert lines[0].endswith("Sample, step 3: Once upon") and lines[1:] == ["    | a \u241b[31mtime"]
