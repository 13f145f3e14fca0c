"""From a run and a text to the plan of going on with it: nothing is written until it starts."""

import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from torch import Tensor

from data.bpe_growth import grow_bpe
from data.bpe_tokenizer import BpeTokenizer
from data.character_tokenizer import CharacterTokenizer
from data.corpus import Corpus
from data.errors import UsageError
from data.loss_marks import with_answers
from data.prepare import PreparedData, prepare
from data.progress import result_of
from data.replay import ReplaySample
from data.tokenizer import Tokenizer
from models.architectures import build_model, model_config, skeleton
from models.config import ModelConfig, TrainingConfig
from models.cost.estimate import estimate, require_memory
from models.device import choose_device, has_device, prepare_process
from models.errors import RunError
from models.evaluation.loss import evaluate
from models.evaluation.modes import default_depth
from models.growth.axes import differences
from models.growth.initial_snapshot import initial_snapshot
from models.layers.initialise import no_init
from models.planning.continuation_plan import ContinuationPlan, require_full_context
from models.planning.defaults import MAX_EPOCHS, suggested_minutes, suggested_regularisation
from models.planning.measured_speed import with_measured_speed
from models.planning.replay_share import Replay, chosen_share, is_read_often
from models.planning.request import TrainRequest, require_growing, without_length
from models.planning.resume_plan import ResumePlan, plan_resume
from models.planning.run_content import RunContent, read_content
from models.planning.text_plan import expected_tokens, require_conversations, require_documents
from models.recursive_lm import RecursiveLM
from models.runs.checkpoint import Snapshot, has_checkpoints
from models.runs.datasets import Dataset, dataset_of, filters_of_files, labels, with_dataset, with_growths
from models.runs.events import Event, NoticeGiven
from models.runs.machine import choose_machine
from models.runs.progress import read_corpus, with_progress_events
from models.runs.replay_samples import known_samples
from models.runs.run import Run
from models.runs.run_config import RunConfig
from models.runs.run_names import refuse_version, require_free_name
from models.settings import from_dict, require

_COMPARED_TOKENS = 8192
"""Of each text, to see how far it is from the others."""


def plan_continuation(
    request: TrainRequest, runs_dir: Path, corpus: Corpus | None = None
) -> Generator[Event, None, ContinuationPlan | ResumePlan]:
    """The plan of giving the run `request.continue_run`, or a copy of it called `request.name`, the text of
    `request`.

    The text is cut into tokens on the way, with those it adds to the vocabulary. Raises UsageError for what
    cannot be meant, CorpusError, RunError, RunBusyError, CheckpointError, TokenizerError.
    """
    started_at = time.time()
    run = Run.open(request.continue_run, runs_dir)
    _require_no_new_model(run, request)
    if request.name is None:
        refuse_version(run.path)
    else:
        require_free_name(request.name, runs_dir)
    content = read_content(run)
    _require_no_mix(run, content.config)
    require_growing(request, content.config.training)
    filters = request.filter_names
    if request.filters is None:
        filters = filters_of_files(content.datasets(), request.paths)
    if corpus is None or corpus.filters != filters:
        corpus = yield from read_corpus(
            request.paths, request.encodings, filters, guess=request.guess_encoding
        )
        content = read_content(run)
    require_conversations(request, corpus)
    require_documents(request, corpus)
    run.require_idle()
    _require_trained(run, content.config)
    if corpus.content_hash == content.config.content_hash:
        return plan_resume(run, content.config, corpus, request, runs_dir)
    return (yield from _another_text(content, corpus, request, started_at, runs_dir))


def _another_text(
    content: RunContent, corpus: Corpus, request: TrainRequest, started_at: float, runs_dir: Path
) -> Generator[Event, None, ContinuationPlan]:
    config, old = content.config, content.model
    newest = content.newest()
    weights = yield from content.best_weights(newest)
    tokenizer, note = content.tokenizer()
    if note is not None:
        yield NoticeGiven(message=note)
    datasets = _with_paths(content.datasets(), config)
    samples, new_samples = yield from known_samples(content.run, datasets, tokenizer)
    grown, parts = _grown_vocabulary(tokenizer, corpus, request.grow_vocab)
    data = yield from with_progress_events(prepare(corpus, grown))
    require_full_context(data, old, content.run.name)
    training = _training(config, corpus, request)
    if training.loss_on == "assistant":
        with_answers(data.train, data.validation, "the text")
    training, notice = _fitted_to_machine(config, training, request)
    if notice is not None:
        yield NoticeGiven(message=notice)
    new, training = _with_both_texts(old, grown, training, request)
    device, layout = choose_device(training.device), skeleton(new)
    require_memory(layout, training, device, shards=request.shards)
    prepare_process(choose_machine(training, config.calibration).threads)
    expected = with_measured_speed(estimate(layout, training, device), new, training, device)
    read = expected_tokens(training, new, data, expected.tokens_per_second)
    suggested = suggested_regularisation(read / max(1, data.train_tokens), read / expected.parameters)
    new, training = _regularised(config, new, training, request, suggested)
    layout = skeleton(new)
    moments = _moments(newest) if config.training.get("optimizer") == training.optimizer else {}
    snapshot = initial_snapshot(weights, moments, old, new, training, parts=parts)
    replay = _replay(
        request, snapshot, new, training, data, samples, _unknown_share(tokenizer, samples, corpus), read
    )
    known = with_dataset(datasets, dataset_of(corpus))
    return ContinuationPlan(
        content=content,
        corpus=corpus,
        data=data,
        tokenizer=grown,
        model=new,
        training=training,
        snapshot=snapshot,
        replay=replay,
        new_samples=new_samples,
        datasets=with_growths(known, corpus.content_hash, differences(old, new)),
        known=tuple(name for key, name in labels(datasets).items() if key != corpus.content_hash),
        estimate=expected,
        started_at=started_at,
        copy_name=request.name,
        runs_dir=runs_dir,
    )


def _replay(
    request: TrainRequest,
    snapshot: Snapshot,
    model: ModelConfig,
    training: TrainingConfig,
    data: PreparedData,
    samples: Sequence[ReplaySample],
    unknown_share: float,
    read_tokens: float,
) -> Replay:
    """The share of earlier texts: as asked for, or what suits how far the new text is from them."""
    if not samples:
        return Replay(0.0, "there is no sample of an earlier text")
    if request.replay is not None:
        return Replay(round(request.replay, 4), "your choice")
    known_loss, new_loss = _losses(snapshot.model, model, samples, data.validation, training)
    sampled = sum(len(sample.train) for sample in samples)
    return chosen_share(
        known_loss,
        new_loss,
        unknown_share,
        sampled / max(1.0, read_tokens),
        has_spare_time=is_read_often(data.train_tokens, read_tokens),
    )


def _with_paths(datasets: list[Dataset], config: RunConfig) -> list[Dataset]:
    """`datasets`, with the paths of the current text and of its tokens, from config.json where missing."""
    data = config.data
    if data is None:
        return datasets
    return [
        replace(one, paths=one.paths or data.paths, prepared=one.prepared or data.prepared)
        if one.content_hash == data.content_hash
        else one
        for one in datasets
    ]


def _require_no_new_model(run: Run, request: TrainRequest) -> None:
    """Raise UsageError for what only a new model can be given."""
    shape = sorted(set(request.overrides.model) - {"dropout"})
    fields = [name for name in ("preset", "tokenizer") if getattr(request, name) is not None]
    if found := [*(f"model.{name}" for name in shape), *fields]:
        raise UsageError(
            f"Run '{run.name}' already has its model and tokenizer; drop {{{found[0]}}}.",
            hint="{expand} makes a larger model, and {fresh} trains a new one.",
            field=found[0],
        )
    if request.replay is not None:
        require(0 <= request.replay < 1, "replay", request.replay, "0 up to, not including, 1")


def _require_no_mix(run: Run, config: RunConfig) -> None:
    if config.mix is not None:
        raise UsageError(
            f"Run '{run.name}' was trained on a mix, and cannot be given another text.",
            hint=f"Go on with its mix: {{resume {run.in_command} training.minutes=5}}",
        )


def _require_trained(run: Run, config: RunConfig) -> None:
    if config.data is None:
        raise UsageError(
            f"Run '{run.name}' has learned nothing yet.",
            hint=f"Train it: {{train FILE name={run.in_command}}}",
        )
    config.require_learned_text(run.path)
    if not has_checkpoints(run):
        raise RunError(
            f"Run '{run.name}' has not begun to learn its first text.",
            hint=f"Go on: {{resume {run.in_command}}}",
        )


def _grown_vocabulary(
    tokenizer: Tokenizer, corpus: Corpus, more: int | None
) -> tuple[Tokenizer, list[tuple[int, ...]] | None]:
    """The tokenizer for both texts, and the parts of each new token where it has some."""
    if isinstance(tokenizer, CharacterTokenizer):
        if more is not None:
            raise UsageError(
                "{grow_vocab} is for byte pairs: a character vocabulary gains what the text has.",
                hint="Leave {grow_vocab} out.",
                field="grow_vocab",
            )
        counts = corpus.character_counts
        new = sorted(set(counts) - set(tokenizer.characters), key=lambda character: -counts[character])
        return tokenizer.with_characters(new), None
    if more is None:
        return tokenizer, None
    assert isinstance(tokenizer, BpeTokenizer)
    return grow_bpe(tokenizer, corpus, more)


def _unknown_share(tokenizer: Tokenizer, samples: Sequence[ReplaySample], corpus: Corpus) -> float:
    """The share of a text that is characters the model has never seen: those that are not in its vocabulary
    or, where that is byte pairs, in what is kept of its texts."""
    if isinstance(tokenizer, CharacterTokenizer):
        known = set(tokenizer.characters)
    else:
        known = set().union(*(tokenizer.decode(sample.train) for sample in samples))
    counts = corpus.character_counts
    return sum(counts[character] for character in set(counts) - known) / max(1, corpus.characters)


def _training(config: RunConfig, corpus: Corpus, request: TrainRequest) -> TrainingConfig:
    """As the run was trained, with the overrides over it, for the length that was chosen or suits the text.
    The loss it stopped at was one on another text."""
    length = request.overrides.length or {"minutes": suggested_minutes(corpus)}
    values = {**without_length(config.training), "target_loss": None, **request.overrides.training}
    return from_dict(TrainingConfig, {**values, **length}, "training")


def _with_both_texts(
    old: ModelConfig, tokenizer: Tokenizer, training: TrainingConfig, request: TrainRequest
) -> tuple[ModelConfig, TrainingConfig]:
    """The model with the vocabulary of both texts, and the training, which may read the new one so often."""
    values = {**asdict(old), "vocab_size": tokenizer.vocab_size}
    model = model_config({"architecture": old.architecture, **values, **request.overrides.model})
    if "max_epochs" in request.overrides.training:
        return model, training
    return model, replace(training, max_epochs=MAX_EPOCHS)


def _regularised(
    config: RunConfig, model: ModelConfig, training: TrainingConfig, request: TrainRequest, suggested: float
) -> tuple[ModelConfig, TrainingConfig]:
    """Both with no more dropout and weight decay than `suggested` for the new text; what was chosen stays.

    What is dropped so that a short text is not learned by heart would cost the longer ones before it.
    """
    if "dropout" not in request.overrides.model:
        model = replace(model, dropout=min(model.dropout, suggested))
    if "weight_decay" not in request.overrides.training:
        decay = min(config.training_config().weight_decay, suggested)
        training = replace(training, weight_decay=decay)
    return model, training


def _fitted_to_machine(
    config: RunConfig, training: TrainingConfig, request: TrainRequest
) -> tuple[TrainingConfig, str | None]:
    """The training without the device and the threads of another machine, where the user chose none; and
    what to say about it where it is another training then."""
    machine, chosen = choose_machine(training, config.calibration), request.overrides.training
    if machine.notice is None:
        return training, None
    device = "auto" if "device" not in chosen and not has_device(training.device) else training.device
    threads = training.threads if "threads" in chosen else machine.threads
    fitted = replace(training, device=device, threads=threads)
    return fitted, None if fitted == training else machine.notice


def _moments(snapshot: Snapshot) -> dict[str, Tensor]:
    return {name: value for name, value in snapshot.training.items() if name.startswith("optimizer.")}


def _losses(
    weights: Mapping[str, Tensor],
    config: ModelConfig,
    samples: Sequence[ReplaySample],
    held_out: np.ndarray,
    training: TrainingConfig,
) -> tuple[float | None, float]:
    """Nats per token on the earlier texts, on the average, and on what is held out of the new one."""
    with no_init():
        model = build_model(config)
    model.load_state_dict(dict(weights))
    measured = (*(one.held_out for one in samples if len(one.held_out) > 1), held_out)
    *known, new = (_loss(model, tokens, training.within_documents) for tokens in measured)
    return (sum(known) / len(known) if known else None), new


def _loss(model: RecursiveLM, tokens: np.ndarray, within_documents: bool) -> float:
    """Nats per token on a few windows of a text."""
    evaluating = evaluate(
        model,
        tokens,
        default_depth(model),
        "float32",
        max_tokens=_COMPARED_TOKENS,
        within_documents=within_documents,
    )
    return result_of(evaluating)
