"""From a run and a text to the plan of going on with it: nothing is written until it starts."""

import itertools
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from data.bpe_growth import grow_bpe
from data.bpe_tokenizer import BpeTokenizer
from data.character_tokenizer import CharacterTokenizer
from data.corpus import Corpus
from data.errors import UsageError
from data.mixes.spec import MixSpec
from data.tokenizer import Tokenizer
from models.config import TrainingConfig
from models.device import this_or_best_device
from models.errors import RunError
from models.growth.axes import differences
from models.growth.initial_snapshot import initial_snapshot
from models.planning.continuation_plan import ContinuationPlan, require_full_context
from models.planning.continued_training import model_and_training
from models.planning.mix_plan import datasets_of
from models.planning.mix_request import read_mix
from models.planning.replay_choice import choose_replay, share_of_unknown
from models.planning.request import TrainRequest, require_growing, without_length
from models.planning.resume_plan import ResumePlan, plan_resume
from models.planning.run_content import RunContent, read_content
from models.planning.text_plan import require_conversations, require_documents
from models.planning.text_rows import expected_tokens
from models.planning.text_tokens import prepare_text
from models.runs.checkpoint import Snapshot, has_checkpoints
from models.runs.datasets import Dataset, filters_of_files, labels, with_dataset, with_growths
from models.runs.events import Event, NoticeGiven
from models.runs.progress import read_corpus
from models.runs.replay_samples import known_samples
from models.runs.run import Run
from models.runs.run_config import RunConfig
from models.runs.run_names import refuse_version, require_free_name
from models.settings import from_dict, require
from models.training.several_processes import require_trainable_in


def plan_continuation(
    request: TrainRequest, runs_dir: Path, corpus: Corpus | None = None, *, mix: MixSpec | None = None
) -> Generator[Event, None, ContinuationPlan | ResumePlan]:
    """The plan of giving the run `request.continue_run`, or a copy of it called `request.name`, the text of
    `request`, or the mix.

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
    require_growing(request, content.config.training)
    _require_trained(run, content.config)
    _require_processes(content.config, request)
    if mix is not None:
        corpus = yield from read_mix(mix)
        content = read_content(run)
    else:
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
    if corpus.content_hash == content.config.content_hash:
        return plan_resume(run, content.config, corpus, request, started_at, runs_dir)
    return (yield from _another_text(content, corpus, request, started_at, runs_dir))


def _require_processes(config: RunConfig, request: TrainRequest) -> None:
    """Raise UsageError where the processes of `request` cannot train a run like this one."""
    values = {**without_length(config.training), **request.overrides.training}
    training = from_dict(TrainingConfig, values, "training")
    require_trainable_in(request.processes, training, this_or_best_device(training.device))


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
    samples, new_samples = yield from known_samples(content.run, config, datasets, tokenizer)
    grown, parts = _grown_vocabulary(tokenizer, corpus, request.grow_vocab)
    data = yield from prepare_text(corpus, grown)
    require_full_context(data, old, content.run.name)
    new, training, expected = yield from model_and_training(content, corpus, data, grown, request)
    moments = _moments(newest) if config.training.get("optimizer") == training.optimizer else {}
    snapshot = initial_snapshot(weights, moments, old, new, training, parts=parts)
    learned = datasets_of(corpus, data)
    yield from _same_text_notices(datasets, learned)
    known, hashes = datasets, [str(one.content_hash) for one in learned]
    for one in learned:
        known = with_dataset(known, one)
    earlier = [one for one in known if one.content_hash not in hashes]
    replay = choose_replay(
        request,
        snapshot.model,
        new,
        training,
        data,
        [one for one in samples if one.content_hash not in hashes],
        earlier,
        share_of_unknown(tokenizer, samples, corpus),
        expected_tokens(training, new, data, expected.tokens_per_second),
    )
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
        datasets=with_growths(known, hashes, differences(old, new)),
        known=tuple(name for key, name in labels(datasets).items() if key not in hashes),
        estimate=expected,
        started_at=started_at,
        copy_name=request.name,
        runs_dir=runs_dir,
    )


def _same_text_notices(known: Sequence[Dataset], learned: Sequence[Dataset]) -> Iterator[Event]:
    """Tell of each text that is known, and of which another part is held out now: a source of a mix holds out
    its first documents, and a text of its own does not."""
    for new, old in itertools.product(learned, known):
        same = (new.bytes, new.characters, new.documents) == (old.bytes, old.characters, old.documents)
        is_source = new.asked_share is not None or old.asked_share is not None
        if same and is_source and new.content_hash != old.content_hash:
            yield NoticeGiven(
                message=f"The run knows '{old.name}', but other documents of it were held out. They are "
                "learned now, so the loss on them will be too low from now on.",
                is_warning=True,
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


def _moments(snapshot: Snapshot) -> dict[str, Tensor]:
    return {name: value for name, value in snapshot.training.items() if name.startswith("optimizer.")}
