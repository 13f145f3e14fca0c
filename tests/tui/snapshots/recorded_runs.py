"""The logs of runs that never ran: a training whose loss falls, in its states."""

import math
from dataclasses import replace

from models.runs.events import CheckpointSaved, Event, NoticeGiven, SampleGenerated, StepSkipped
from tests.models.runs.example_config import WITH_TEXT
from tests.models.runs.example_events import evaluation, started, step

BEGAN = 1_799_999_345.0
"""When the trainings began: 5 seconds before now was step 260."""
STEP_S = 2.5
TOTAL = 400
FABLES = replace(WITH_TEXT, corpus="fables", parameters=369_984)
PROMPTS = ("One morning the ", "The fox said: ")
_TEXTS = (
    "fox came down to the river, and there was nobody to be seen but an old heron, who stood upon one leg.",
    "do not ask me who has eaten the grapes, for I was asleep.\nThen the crow laughed, and flew away.",
)


def training(steps: int, *, architecture: str = "looped", passes: float | None = None) -> list[Event]:
    """A training of so many of its 400 steps, with all that a log has."""
    begin = started(
        architecture=architecture, parameters=369_984, total_steps=TOTAL, context_length=128, batch_size=32,
        time=BEGAN,
    )  # fmt: skip
    guess = NoticeGiven(message="The text is taken as UTF-8.", time=BEGAN)
    few = NoticeGiven(
        message="The text is short: the model may learn it by heart.", is_warning=True, time=BEGAN
    )
    events: list[Event] = [guess, few, begin]
    for number in range(1, steps + 1):
        time = BEGAN + STEP_S * number
        events.append(_step(number, time, passes))
        if number % 40 == 0:
            loss = 1.45 + 2.7 * math.exp(-number / 60)
            events.append(
                evaluation(loss, number, train_loss=loss - 0.05, perplexity=math.exp(loss), time=time)
            )
            events.append(CheckpointSaved(step=number, path=f"step-{number}", reason="interval", time=time))
            which = number // 40 % 2
            events.append(SampleGenerated(step=number, prompt=PROMPTS[which], text=_TEXTS[which], time=time))
        if number == 130:
            events.append(
                StepSkipped(step=number, loss=9.5, gradient_norm=80.0, reason="the loss jumped", time=time)
            )
    return events


def _step(number: int, time: float, passes: float | None) -> Event:
    loss = 1.4 + 2.7 * math.exp(-number / 55) + 0.06 * math.sin(1.7 * number)
    cycles = 1 + number % 3
    return step(
        number, loss, total_steps=TOTAL, time=time, epoch=number / 150, depth=str(cycles),
        learning_rate=1e-3 * min(1.0, number / 20) * (1 - 0.8 * number / TOTAL),
        gradient_norm=0.6 + 0.3 * math.sin(0.9 * number), tokens_seen=4096 * number,
        tokens_per_second=1600.0 + 80 * math.sin(0.3 * number), elapsed_s=STEP_S * number,
        eta_s=STEP_S * (TOTAL - number), passes_per_token=passes,
    )  # fmt: skip
