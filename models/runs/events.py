"""What happened, as data.

Training is an iterator of events. A front end draws them, `--json` prints them, and the event log
keeps those that are lasting. Every field is a plain number, string, bool, None, or a dict of those,
so an event is one line of JSON. Losses are nats per token; times are seconds.
"""

import time
from dataclasses import dataclass, field
from typing import ClassVar

from models.runs.migrations import CURRENT


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """The common part: when it happened, in seconds since the epoch."""

    lasting: ClassVar[bool] = True
    """Whether the event log keeps it. Progress is passing: it is shown and not kept."""
    time: float = field(default_factory=time.time)


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparationAdvanced(Event):
    """Work before the first step or before a result: `stage` is reading, tokenizing, measuring, compiling or
    writing."""

    lasting: ClassVar[bool] = False
    stage: str
    done: int
    total: int
    unit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanDrafted(Event):
    """A plan as far as it is known before the machine is timed: the names and values of its table."""

    lasting: ClassVar[bool] = False
    rows: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeGiven(Event):
    """A sentence the user should see once: an assumption made, a fallback taken."""

    message: str
    is_warning: bool = False
    """Whether it is shown even when little else is: something was lost or assumed of the text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(Event):
    """Everything is prepared and the next step follows. `start_step` is 0 unless resumed."""

    run: str
    architecture: str
    parameters: int
    embedding_parameters: int
    vocab_size: int
    context_length: int
    batch_size: int
    device: str
    number_format: str
    compiled: bool
    threads: int
    start_step: int
    total_steps: int
    train_tokens: int
    validation_tokens: int
    processes: int = 1
    """That share each batch."""
    format_version: int = CURRENT["events.jsonl"]
    """Of the lines that follow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusStarted(Event):
    """A run that knows `known_corpora` other texts started on a new one, at step 0.

    `replay_share` of its sequences come from the earlier texts, for `replay_reason`.
    """

    corpus: str
    known_corpora: int
    replay_share: float
    replay_reason: str
    vocab_size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRestored(Event):
    """The run became again what its `version` is. What came before no longer counts; the last events of that
    version follow."""

    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CorporaMeasured(Event):
    """The loss on the held-out part of every text the model knows, by name, at the default mode.

    It is measured before the first step on a new text, and at the end with the best weights. Then
    `losses_before` has the losses of the first measurement; before, it is empty.
    """

    step: int
    losses: dict[str, float]
    losses_before: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelExpanded(Event):
    """The model grew during training, and computes what it did before: no logit changed by more than
    `largest_logit_change`. `grown` maps what grew to its sizes before and after."""

    step: int
    characters_seen: int
    parameters_before: int
    parameters: int
    largest_logit_change: float
    grown: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFinished(Event):
    """One optimizer step that was taken. `loss` is that of its batch, `tokens_per_second` a mean of the
    last steps. A step that was skipped or rolled back has none."""

    step: int
    total_steps: int
    epoch: float
    loss: float
    learning_rate: float
    gradient_norm: float
    depth: str
    tokens_seen: int
    tokens_per_second: float
    elapsed_s: float
    eta_s: float
    passes_per_token: float | None = None
    """Mean number of recursions per token."""
    slowest_process: int | None = None
    """That the others wait for most, where there are several."""
    waited_for_s: float | None = None
    """Seconds of a step by which it is slower than the fastest one, a mean of the last steps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationAdvanced(Event):
    """Progress of an evaluation, so that a front end can show it and react to an interrupt."""

    lasting: ClassVar[bool] = False
    step: int
    done: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationFinished(Event):
    """The losses on the training and the held-out text. `bits_per_byte` can be compared between
    tokenizers. `best` means that this is the lowest validation loss yet.

    For puzzles the losses are nats per asked cell, the best evaluation is the one with the highest
    `exact_accuracy`, and the last three fields are set: the share of whole grids and of asked cells
    that are right, and the mean number of supervision steps. They are None for text.
    """

    step: int
    epoch: float
    train_loss: float
    validation_loss: float
    perplexity: float
    bits_per_byte: float
    best: bool
    passes_per_token: float | None = None
    """Mean number of recursions per token."""
    exact_accuracy: float | None = None
    cell_accuracy: float | None = None
    mean_exit_step: float | None = None
    accuracy: dict[str, float] | None = None
    """For problems: the share of right answers, 0 to 1, by difficulty, at the deepest trained mode. The
    losses are nats per character of an answer."""
    losses: dict[str, float] | None = None
    """For a mix: the loss on what is held out of each source, by its name. `validation_loss` is their mean in
    the shares of the mix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleGenerated(Event):
    """A passage the model generated after a fixed prompt, with a fixed seed."""

    step: int
    prompt: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointSaved(Event):
    """The checkpoint is on disk and survives a crash. `reason` is interval, best, request, pause or final."""

    step: int
    path: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulePlanned(Event):
    """The number of steps that fit the training time. It is planned at step 0 and may be planned again."""

    step: int
    total_steps: int
    seconds_per_step: float
    reason: str = ""
    """Why it is no longer what it was, or less than the time allows, as the end of a sentence."""
    instead_of: int = 0
    """The total when it was last said, where this differs from it by a quarter or more; else 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceStartedOver(Event):
    """All `tokens` of a source of a mix were learned from once, and it is read again in another order. It is
    told the first time only."""

    step: int
    source: str
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSkipped(Event):
    """The loss or gradient of a batch was not usable. The weights did not change."""

    step: int
    loss: float
    gradient_norm: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RolledBack(Event):
    """Too many bad batches: 5 within the last 25 steps. Training went back to a good checkpoint, at a
    lower rate. What was told of the steps after `to_step` no longer holds."""

    step: int
    to_step: int
    learning_rate_scale: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MicroBatchHalved(Event):
    """Memory ran out. A step has as many tokens as before, in more and smaller micro-batches."""

    micro_batch: int
    accumulation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPaused(Event):
    """Training was saved and stopped. A resume continues from `step`.

    `total_steps` is 0 where it was not planned yet: the pause came before the first checkpoint.
    """

    step: int
    total_steps: int
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFailed(Event):
    """Training ended with an error. `kind` is the name of its class; a resume may still be possible."""

    kind: str
    message: str
    hint: str | None = None
    """The next step for the user, where the error gives one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished(Event):
    """Training is complete. `reason` is steps, time, epochs, target-loss, patience or stopped.

    `validation_loss` is the loss of the best weights (those of `best_step`) over the whole validation
    part in non-overlapping windows, at the default mode; `validation_loss_by_mode` has every mode.
    """

    run: str
    reason: str
    step: int
    best_step: int
    validation_loss: float
    validation_loss_by_mode: dict[str, float]
    perplexity: float
    bits_per_byte: float
    parameters: int
    tokens_seen: int
    tokens_per_second: float
    elapsed_s: float
    """Over all sittings."""
    path: str
    sitting_s: float | None = None
    """Since it went on the last time; None in logs of earlier versions."""
    passes_per_token: float | None = None
    """As in EvaluationFinished, at the default mode."""
    exact_accuracy: float | None = None
    """For puzzles, as in EvaluationFinished."""
    cell_accuracy: float | None = None
    mean_exit_step: float | None = None
    accuracy_by_mode: dict[str, dict[str, float]] | None = None
    """For problems: the share of right answers, 0 to 1, by mode and difficulty."""
