"""From a run and a text to the plan of going on."""

import math
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from data.bpe_growth import grow_bpe
from data.bpe_tokenizer import BpeTokenizer
from data.character_tokenizer import CharacterTokenizer
from data.corpus import Corpus
from data.errors import UsageError
from data.prepare import prepare
from data.replay import ReplaySample
from data.tokenizer import Tokenizer
from models.architectures import build_model, model_config
from models.config import LENGTHS, ModelConfig, TrainingConfig, from_dict, require
from models.cost import estimate, require_memory, skeleton
from models.device import choose_device, prepare_process
from models.errors import RunError
from models.evaluation.loss import evaluate
from models.evaluation.modes import default_depth
from models.growth.axes import differences
from models.growth.initial_snapshot import begins_stage, first_snapshot
from models.growth.transaction import catch_up
from models.growth.weights import tied_names
from models.layers.initialise import Undrawn
from models.planning.continuation import (
    Continuation,
    MoreOfTheSame,
    require_fitting_length,
    serial_of,
)
from models.planning.defaults import suggested_minutes, suggested_model, suggested_training
from models.planning.replay_share import Replay, chosen_share, once_more
from models.planning.request import (
    Said,
    TrainRequest,
    everything_said,
    lengths_in,
    require_growing,
)
from models.planning.resume_same_corpus import more_of_the_same
from models.planning.text_plan import expected_tokens
from models.recursive_lm import RecursiveLM
from models.runs.best_weights import restore_kept_weights
from models.runs.checkpoint import Snapshot, has_checkpoints, load_checkpoint, load_weights
from models.runs.compatibility import described_model, require_fit
from models.runs.datasets import Dataset, dataset_entry, labels, read_datasets, with_dataset, with_growths
from models.runs.events import Event, NoticeGiven
from models.runs.progress import read_corpus, with_progress_events
from models.runs.replay_samples import known_samples
from models.runs.run import Run
from models.runs.task import require_text
from models.runs.tokenizer import load_run_tokenizer

_GLANCE_TOKENS = 8192
"""Of each text, to see how far it is from the others."""


def plan_continuation(
    request: TrainRequest, runs_dir: Path, corpus: Corpus | None = None
) -> Generator[Event, None, Continuation | MoreOfTheSame]:
    """What it means for the run `request.continue_run` to be given the text of `request`.

    The text is cut into tokens on the way, with those it adds to the vocabulary. Of the run nothing
    changes, but that what was interrupted is finished and what was lost is made again. Raises
    UsageError for what cannot be meant, CorpusError, RunError, RunBusyError, CheckpointError,
    TokenizerError.
    """
    started_at = time.time()
    run = Run.open(request.continue_run, runs_dir)
    said = everything_said(request)
    _require_no_shape(run, said, request)
    require_growing(request, run.read_config().get("training", {}))
    if corpus is None:
        corpus = yield from read_corpus(request.paths)
    with run.lock():
        catch_up(run)
        config = run.read_config()
        _require_trained(run, config)
        if corpus.content_hash == config["data"]["content_hash"]:
            return more_of_the_same(run, config, corpus, said, request)
        yield from restore_kept_weights(run)
        return (yield from _another_text(run, config, corpus, said, request, started_at))


def _another_text(
    run: Run, config: dict[str, Any], corpus: Corpus, said: Said, request: TrainRequest, started_at: float
) -> Generator[Event, None, Continuation]:
    old = described_model(run, config)
    tokenizer, note = load_run_tokenizer(run, config, old.vocab_size)
    if note is not None:
        yield NoticeGiven(message=note)
    datasets = _with_paths(read_datasets(run), config["data"])
    samples = yield from known_samples(run, datasets, tokenizer)
    grown, parts = _grown_vocabulary(tokenizer, corpus, request.grow_vocab)
    data = yield from with_progress_events(prepare(corpus, grown))
    require_fitting_length(data, old, run.name)
    length = lengths_in(said.training) or {"minutes": suggested_minutes(corpus)}
    suggested = suggested_model(corpus, grown.vocab_size, length, old.architecture)
    # What is dropped so that a short text is not learned by heart would cost the longer ones before it.
    dropout = min(old.dropout, suggested["dropout"])
    values = {**asdict(old), "vocab_size": grown.vocab_size, "dropout": dropout, **said.model}
    new = model_config({"architecture": old.architecture, **values})
    training = _training(config, corpus, said, length, new)
    device = choose_device(training.device)
    require_memory(skeleton(new), training, device)
    prepare_process(config.get("measured", {}).get("threads", training.threads))
    kept, newest = _state(run, old)
    moments = _moments(newest) if config["training"].get("optimizer") == training.optimizer else {}
    snapshot = first_snapshot(kept, moments, old, new, training, parts=parts)
    expected = estimate(new, training, device)
    replay = Replay(0.0, "there is no sample of an earlier text")
    if request.replay is not None and samples:
        replay = Replay(round(request.replay, 4), "as asked for")
    elif samples:
        known_loss, new_loss = _glances(snapshot.model, new, samples, data.validation)
        sampled = sum(len(sample.train) for sample in samples)
        read = expected_tokens(training, new, data, expected.tokens_per_second)
        strange = _strange_share(tokenizer, samples, corpus)
        replay = chosen_share(known_loss, new_loss, strange, once_more(sampled, data.train_tokens, read))
    known = with_dataset(datasets, dataset_entry(corpus))
    return Continuation(
        run=run,
        before=config,
        serial=serial_of(run),
        corpus=corpus,
        data=data,
        tokenizer=grown,
        old_model=old,
        model=new,
        training=training,
        snapshot=snapshot,
        replay=replay,
        datasets=with_growths(known, corpus.content_hash, differences(old, new)),
        known=tuple(name for key, name in labels(datasets).items() if key != corpus.content_hash),
        estimate=expected,
        started_at=started_at,
    )


def _with_paths(datasets: list[Dataset], data: Mapping[str, Any]) -> list[Dataset]:
    """Where the text lies that the run is at, and its tokens: config.json alone may tell."""
    current = data["content_hash"]
    found: Dataset = {"paths": data["paths"]}
    if "prepared" in data:
        found["prepared"] = data["prepared"]
    return [{**found, **one} if one.get("content_hash") == current else one for one in datasets]


def _require_no_shape(run: Run, said: Said, request: TrainRequest) -> None:
    """Raise UsageError for what only a new model can be given."""
    shape = sorted(set(said.model) - {"dropout"})
    words = {"preset": request.preset, "tokenizer": request.tokenizer, "name": request.name}
    asked = [*shape, *(word for word, value in words.items() if value is not None)]
    if asked:
        raise UsageError(
            f"Run '{run.name}' has its {asked[0]} already.",
            hint="Leave that out; rlm expand makes a model larger, and --fresh begins a new one.",
        )
    if request.replay is not None:
        require(0 <= request.replay < 1, "--replay", request.replay, "0 up to, not including, 1")


def _require_trained(run: Run, config: Mapping[str, Any]) -> None:
    if "data" not in config:
        raise UsageError(
            f"Run '{run.name}' has learned nothing yet.", hint=f"Train it: rlm train FILE --name {run.name}"
        )
    require_text(run.name, config)
    if not has_checkpoints(run):
        raise RunError(
            f"Run '{run.name}' has not begun to learn its first text.", hint=f"Go on: rlm resume {run.name}"
        )


def _grown_vocabulary(
    tokenizer: Tokenizer, corpus: Corpus, more: int | None
) -> tuple[Tokenizer, list[tuple[int, ...]] | None]:
    """The tokenizer for both texts, and the parts of each new token where it has some."""
    if isinstance(tokenizer, CharacterTokenizer):
        if more is not None:
            raise UsageError(
                "--grow-vocab is for byte pairs: a character vocabulary gains what the text has.",
                hint="Leave --grow-vocab out.",
            )
        counts = corpus.character_counts
        new = sorted(set(counts) - set(tokenizer.characters), key=lambda character: -counts[character])
        return tokenizer.with_characters(new), None
    if more is None:
        return tokenizer, None
    assert isinstance(tokenizer, BpeTokenizer)
    return grow_bpe(tokenizer, corpus, more)


def _strange_share(tokenizer: Tokenizer, samples: Sequence[ReplaySample], corpus: Corpus) -> float:
    """The share of a text that is characters the model has never seen: those that are not in its vocabulary
    or, where that is byte pairs, in what is kept of its texts."""
    if isinstance(tokenizer, CharacterTokenizer):
        known = set(tokenizer.characters)
    else:
        known = set().union(*(tokenizer.decode(sample.train) for sample in samples))
    counts = corpus.character_counts
    return sum(counts[character] for character in set(counts) - known) / max(1, corpus.characters)


def _training(
    config: Mapping[str, Any], corpus: Corpus, said: Said, length: Mapping[str, Any], model: ModelConfig
) -> TrainingConfig:
    """As the run was trained, with what the new text asks for and what was said over it."""
    before = {name: value for name, value in config["training"].items() if name not in LENGTHS}
    suggested = suggested_training(corpus, length, model)
    decay = min(before.get("weight_decay", 0.0), suggested["weight_decay"])
    fitted = {"weight_decay": decay, "most_epochs": suggested["most_epochs"]}
    values = {**before, "target_loss": None, **fitted, **said.training, **length}
    return from_dict(TrainingConfig, values, "training")


def _state(run: Run, old: ModelConfig) -> tuple[dict[str, Tensor], Snapshot]:
    """The weights to go on from, and the newest checkpoint: its own weights where none of its text were
    judged yet, else the kept ones."""
    newest, _ = load_checkpoint(run)
    require_fit(old, newest.model, f"The checkpoint of step {newest.step}")
    judged = math.isfinite(newest.state["counters"]["best_loss"]) or begins_stage(newest)
    if judged and run.weights_path.is_file():
        kept, _ = load_weights(run.weights_path)
        require_fit(old, kept, f"The model.safetensors of run '{run.name}'")
        return kept, newest
    tied = tied_names(skeleton(old))  # the average of a tied head stands under the embedding's name
    averaged = {
        name: newest.training.get(f"average.{tied.get(name, name)}", value)
        for name, value in newest.model.items()
    }
    return averaged, newest


def _moments(snapshot: Snapshot) -> dict[str, Tensor]:
    return {name: value for name, value in snapshot.training.items() if name.startswith("optimizer.")}


def _glances(
    weights: Mapping[str, Tensor], config: ModelConfig, samples: Sequence[ReplaySample], held_out: np.ndarray
) -> tuple[float | None, float]:
    """Nats per token on the earlier texts, on the average, and on what is held out of the new one."""
    with Undrawn():
        model = build_model(config)
    model.load_state_dict(dict(weights))
    known = [_glance(model, sample.held_out) for sample in samples if len(sample.held_out) > 1]
    return (sum(known) / len(known) if known else None), _glance(model, held_out)


def _glance(model: RecursiveLM, tokens: np.ndarray) -> float:
    """Nats per token on a few windows of a text."""
    return _outcome(evaluate(model, tokens, default_depth(model), "float32", at_most=_GLANCE_TOKENS))


def _outcome(work: Generator[Any, None, float]) -> float:
    while True:
        try:
            next(work)
        except StopIteration as end:
            return float(end.value)
