"""The one table from event to words."""

import pytest

from models.runs import events
from models.runs.event_words import describe, sittings
from models.runs.events import Event
from tests.models.runs.example_events import evaluation, finished, paused, started, step


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (events.NoticeGiven(message="Read as latin-1."), "Read as latin-1."),
        (started(), "Started: 100 steps."),
        (started(40), "Going on from step 40 of 100."),
        (step(50, eta_s=65.0), "step 50/100  loss 2.0000  5 tokens/s  1 min 05 s left"),
        (step(1, loss=float("nan")), "step 1/100  loss not finite  5 tokens/s  0 min 02 s left"),
        (evaluation(1.5, 20), "step 20  validation loss 1.5000  (2.000 bits per byte)  best so far"),
        (evaluation(1.5, 20, best=False), "step 20  validation loss 1.5000  (2.000 bits per byte)"),
        (
            evaluation(1.5, 20, exact_accuracy=0.25, cell_accuracy=0.5, mean_exit_step=3.0, best=False),
            "step 20  solves 25.0 % of the grids, 50.0 % of the cells, 3.00 steps",
        ),
        (events.SampleGenerated(step=4, prompt="Once\nx", text=" a\n"), "Sample, step 4: Once x a"),
        (events.CheckpointSaved(step=4, path="p", reason="best"), "Checkpoint at step 4 (best)."),
        (
            events.SchedulePlanned(step=0, total_steps=40, seconds_per_step=0.1),
            "Planned: 40 steps, about 100 ms each.",
        ),
        (
            events.SchedulePlanned(step=9, total_steps=40, seconds_per_step=1.5),
            "Planned at step 9: 40 steps, about 1.5 s each.",
        ),
        (
            events.SchedulePlanned(
                step=9, total_steps=40, seconds_per_step=1.5, reason="it is slower", instead_of=1476
            ),
            "Planned at step 9: 40 steps instead of 1,476, about 1.5 s each, because it is slower.",
        ),
        (
            events.CorpusStarted(
                corpus="b", known_corpora=1, replay_share=0.3, replay_reason="r", vocab_size=9
            ),
            "New text b; 30 % of the training repeats earlier texts.",
        ),
        (
            events.CorporaMeasured(step=0, losses={"a": 2.0, "long": 4.0}, losses_before={}),
            "Loss on each text, in nats per token, at step 0:\na     2.0000\nlong  4.0000",
        ),
        (
            events.CorporaMeasured(step=9, losses={"a": 2.2, "b": 4.0}, losses_before={"a": 2.0}),
            "Loss on each text, in nats per token, before and now:\n"
            "a  2.0000 -> 2.2000  (+10.0 %)\nb  4.0000",
        ),
        (
            events.StepSkipped(step=6, loss=1.0, gradient_norm=1.0, reason="the loss is not a number"),
            "Step 6 left out: the loss is not a number.",
        ),
        (
            events.RolledBack(step=9, to_step=4, learning_rate_scale=0.5),
            "Back to step 4, with the learning rate times 0.5.",
        ),
        (
            events.MicroBatchHalved(micro_batch=8, accumulation=2),
            "Memory is short: 2 pieces of 8 per step from here on.",
        ),
        (paused(7), "Paused at step 7 of 100, and saved."),
        (paused(0, total_steps=0), "Paused, and saved."),
        (events.RunFailed(kind="StorageError", message="The disk is full."), "Failed: The disk is full."),
        (finished(), "Finished at step 100: all steps done."),
    ],
)
def test_an_event_is_told_in_plain_words(event: Event, text: str) -> None:
    words = describe(event)
    assert words is not None and words.text == text


def test_progress_has_no_words() -> None:
    assert describe(events.EvaluationAdvanced(step=1, done=1, total=2)) is None
    assert describe(events.PreparationAdvanced(stage="reading", done=1, total=2)) is None


def test_a_run_of_several_sittings_tells_the_time_of_this_one_and_of_all() -> None:
    first, later = finished(elapsed_s=60.0, sitting_s=60.0), finished(elapsed_s=90.0, sitting_s=30.0)
    assert sittings(first, str) == "60.0"
    assert sittings(later, str) == "30.0 now, 90.0 in all"
    assert sittings(finished(elapsed_s=90.0, sitting_s=None), str) == "90.0", "of an earlier version"


def test_problems_have_right_answers_and_no_perplexity() -> None:
    words = [
        describe(evaluation(1.5, 20, accuracy={"1": 0.5, "4": 0.25})),
        describe(finished(accuracy_by_mode={"fast": {"1": 0.5}})),
    ]
    assert words[0] is not None and words[0].text == "step 20  right answers  1: 50 %  4: 25 %  best so far"
    for one in words:
        assert one is not None and "validation loss" in one.details
        assert "perplexity" not in one.details and "bits per byte" not in one.details
