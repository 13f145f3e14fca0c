"""From a run directory to a training in memory, wherever it stands."""

import dataclasses
import math
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from data.corpus import scan_corpus
from data.errors import CorpusError, UsageError
from data.loader import BlockSampler
from data.mixture import MixedSampler, replay_sources
from data.prepare import PreparedData, open_prepared, prepare
from data.replay import HELD_OUT_TOKENS, ReplaySample
from data.tokenizer import Tokenizer
from models.architectures import build_model
from models.config import ModelConfig, TrainingConfig, from_dict
from models.cost import require_memory, skeleton
from models.device import choose_device, prepare_process
from models.errors import CheckpointError
from models.evaluation.forgetting import KnownText, tokens_to_read
from models.growth.initial_snapshot import begins_stage
from models.growth.transaction import revision_of
from models.recovery.restore import put_back
from models.recursive_lm import RecursiveLM
from models.runs.checkpoint import Snapshot, has_checkpoints, load_checkpoint
from models.runs.compatibility import described_model, require_fit
from models.runs.datasets import Dataset, read_datasets
from models.runs.events import Event, NoticeGiven
from models.runs.progress import with_progress_events
from models.runs.replay_samples import remember
from models.runs.run import Run
from models.runs.status import is_judged
from models.runs.task import solves_puzzles
from models.runs.tokenizer import load_run_tokenizer
from models.training.calibrate import Measured, measure
from models.training.length import Length, settle
from models.training.session import Sampler, Session
from models.training.time_budget import Pace

if TYPE_CHECKING:
    from models.training.puzzles.open import HeldOut


@dataclass(slots=True)
class Opened:
    """A training ready for its next step: of text, which has a tokenizer and data, or of puzzles."""

    run: Run
    config: dict[str, Any]
    session: Session
    pace: Pace
    tokenizer: Tokenizer | None = None
    data: PreparedData | None = None
    puzzles: "HeldOut | None" = None
    characters_per_token: float = 1.0
    known: tuple[KnownText, ...] = ()
    """Earlier texts, and the held-out part of the one it is at."""
    ended: str | None = None
    """Why there are no steps left, where the run was stopped before it could be judged."""

    @property
    def train_tokens(self) -> int:
        if self.data is not None:
            return self.data.train_tokens
        return self.puzzles.train_cells if self.puzzles is not None else 0

    @property
    def validation_tokens(self) -> int:
        if self.data is not None:
            return self.data.validation_tokens
        return self.puzzles.validation_cells if self.puzzles is not None else 0


@dataclass(frozen=True, slots=True)
class Start:
    """What is settled of a training before what it learns from is looked at."""

    run: Run
    config: dict[str, Any]
    training: TrainingConfig
    described: ModelConfig
    device: torch.device
    known: Measured | None
    length: Length
    is_new: bool

    def note_opened(self) -> None:
        """Keep in the run that it was opened: whoever opens it again has had a break."""
        if self.is_new:
            self.config["opened"] = True
            self.run.write_config(self.config)

    def new_model(self) -> RecursiveLM:
        """The model with the weights it begins with."""
        torch.manual_seed(self.training.seed)
        return build_model(self.described).to(self.device)


def open_training(run: Run, restored: int | None = None) -> Generator[Event, None, Opened]:
    """Everything before the next step, read or made. The caller holds the run's lock.

    `restored` is the step of weights that just took the place of lost ones: they are judged, even
    where the run was finished. Raises UsageError where there is nothing to go on with,
    CheckpointError, CorpusError.
    """
    began = time.monotonic()
    config = run.read_config()
    if "data" not in config:
        raise UsageError(
            f"Run '{run.name}' has no text yet.", hint=f"Train it: rlm train FILE --name {run.name}"
        )
    training = from_dict(TrainingConfig, config["training"], "training")
    read_datasets(run)  # damaged, it would be found so only when all steps are done
    # Before any tensor is touched: threads that run already keep their old settings.
    prepare_process(config.get("measured", {}).get("threads", training.threads))
    snapshot = yield from _snapshot(run, config)
    length = Length.of(config, training, snapshot, began)
    ended = None if snapshot is None or length.extends else snapshot.state["ended"]
    if snapshot is not None and ended is not None and restored is None and is_judged(run, snapshot.step):
        raise UsageError(
            f"Run '{run.name}' is finished.", hint=f"Go on with it: rlm resume {run.name} --minutes 5"
        )
    known = Measured(**config["measured"]) if "measured" in config else None
    device = choose_device(known.device if known is not None else training.device)
    described = described_model(run, config)
    if snapshot is not None:
        require_fit(described, snapshot.model, f"The checkpoint of step {snapshot.step}")
    require_memory(skeleton(described), training, device)
    start = Start(run, config, training, described, device, known, length, is_new=begins_stage(snapshot))
    if solves_puzzles(config):
        from models.training.puzzles.open import open_puzzle_training  # it begins where this ends

        opened = yield from open_puzzle_training(start)
    else:
        opened = yield from _open_text_training(start)
    if snapshot is not None:
        opened.session.restore(snapshot)
        if restored is not None and restored != opened.session.counters.best_step:
            # Not the best after all: what comes next is compared with nothing that is lost.
            opened.session.counters.best_loss, opened.session.counters.best_step = math.inf, restored
    opened.ended = ended
    yield from settle(opened.session, opened.pace, length)
    return opened


def _open_text_training(start: Start) -> Generator[Event, None, Opened]:
    run, config, training, described = start.run, start.config, start.training, start.described
    tokenizer, note = load_run_tokenizer(run, config, described.vocab_size)
    if note is not None:
        put_back(run, tokenizer)
        yield NoticeGiven(
            message=f"The tokenizer.json of run '{run.name}' was missing or not its own; "
            "it is put back from the copy in the weights."
        )
    start.note_opened()
    data = yield from _data(run, config, tokenizer)
    _require_enough(data, described)
    datasets = read_datasets(run)
    samples, own = yield from remember(run, config, datasets, data, tokenizer)
    model = start.new_model()
    sampler = _sampler(config, data, samples, described.context_length, training.seed)
    measured = start.known or (yield from _measured(run, config, model, sampler, training, start.length))
    prepare_process(measured.threads)
    session = Session(model, training, sampler, measured)
    length = start.length
    known = (
        *(KnownText(sample.content_hash, sample.held_out) for sample in samples),
        KnownText(own.content_hash, own.held_out),
    )
    pace = Pace(
        model,
        training,
        measured,
        len(data.validation),
        length.budget_s,
        length.deadline,
        known_tokens=tokens_to_read(known) if samples or len(data.validation) > HELD_OUT_TOKENS else 0,
    )
    if training.most_epochs is not None and not length.extends:
        pace.most_steps = round(training.most_epochs * sampler.blocks_per_epoch / training.batch_size)
    return Opened(
        run,
        config,
        session,
        pace,
        tokenizer=tokenizer,
        data=data,
        characters_per_token=_characters_per_token(config, datasets, data),
        known=known,
    )


def _snapshot(run: Run, config: Mapping[str, Any]) -> Generator[Event, None, Snapshot | None]:
    """The checkpoint to go on from, or None for a run that has none yet.

    Raises CheckpointError where only checkpoints of what the run was before are intact.
    """
    if not has_checkpoints(run):
        return None
    snapshot, notes = load_checkpoint(run)
    for note in notes:
        yield NoticeGiven(message=note)
    if revision_of(snapshot.state) != revision_of(config):
        raise CheckpointError(
            f"Run '{run.name}' has no intact checkpoint since it last grew or was given another text.",
            hint="Its weights can be used; its training cannot go on.",
        )
    return snapshot


def _require_enough(data: PreparedData, described: ModelConfig) -> None:
    """Planning sees to this; a config.json that was changed may not."""
    if not data.fills_context(described.context_length):
        raise CorpusError(
            f"The text is too short for a context of {described.context_length} tokens: "
            f"{data.train_tokens:,} to learn from and {data.validation_tokens:,} to measure on.",
            hint="Train a new run on more text, or with a shorter context.",
        )


def _characters_per_token(
    config: Mapping[str, Any], datasets: Sequence[Dataset], data: PreparedData
) -> float:
    current = config["data"]["content_hash"]
    characters = next(
        (entry.get("characters") for entry in datasets if entry.get("content_hash") == current), None
    )
    tokens = data.train_tokens + data.validation_tokens
    return characters / tokens if isinstance(characters, int) and characters > 0 else 1.0


def _sampler(
    config: Mapping[str, Any],
    data: PreparedData,
    samples: Sequence[ReplaySample],
    context_length: int,
    seed: int,
) -> Sampler:
    """The text, and among it what is replayed of earlier ones that fill a context."""
    fresh = BlockSampler(data.train, context_length, seed)
    replayed = [
        BlockSampler(sample.train, context_length, seed)
        for sample in samples
        if len(sample.train) > context_length
    ]
    share = config.get("replay", {}).get("share", 0.0)
    return MixedSampler(replay_sources(fresh, replayed, share)) if replayed and share else fresh


def _measured(
    run: Run,
    config: dict[str, Any],
    model: RecursiveLM,
    sampler: Sampler,
    training: TrainingConfig,
    length: Length,
) -> Generator[Event, None, Measured]:
    """Measure, and keep the outcome in the run."""
    threads = prepare_process(training.threads)
    blocks = torch.from_numpy(sampler.batch(0, training.batch_size))
    measured = yield from measure(model, blocks, training, threads, length.budget_s, length.steps)
    config["measured"] = dataclasses.asdict(measured)
    run.write_config(config)
    return measured


def _data(run: Run, config: dict[str, Any], tokenizer: Tokenizer) -> Generator[Event, None, PreparedData]:
    """The token files, from the cache or made again from the text."""
    known = config["data"]
    if "prepared" in known:
        try:
            return open_prepared(known["prepared"])
        except CorpusError:
            yield NoticeGiven(message="The prepared text is no longer in the cache; it is made again.")
    corpus = yield from with_progress_events(scan_corpus(known["paths"]))
    if corpus.content_hash != known["content_hash"]:
        raise CorpusError(
            f"The text at {known['paths'][0]} is no longer the one this run was trained on.",
            hint="Put the old text back, or train a new run on the new one.",
        )
    data = yield from with_progress_events(prepare(corpus, tokenizer))
    known["prepared"] = data.path.name
    run.write_config(config)
    return data
