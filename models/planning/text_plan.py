"""The plan of a training on text: what it will be, to be looked at, and made into a run that can begin."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from data.corpus import Corpus
from data.errors import StorageError, UsageError
from data.mixes.mixed_corpus import MixedCorpus
from data.plain_file import read_plain_file
from data.prepare import TokenCounts
from data.storage import replace_file, storing
from data.tokenizer import MAX_FILE_BYTES, Tokenizer
from data.wording import byte_size, counted
from models.config import ModelConfig, TrainingConfig
from models.cost.estimate import Estimate
from models.errors import RunError
from models.planning.mix_plan import datasets_of, mix_in_plan, mix_rows, mix_section, paths_of
from models.planning.request import TrainRequest
from models.planning.resolve import require_untrained
from models.planning.text_rows import (
    attention_row,
    expected_tokens,
    filter_row,
    growth_row,
    has_borders,
    length_in_words,
    loss_row,
    number_format_row,
)
from models.recursive_lm import RecursiveLM
from models.runs.datasets import DATASETS_FILE, described_corpus
from models.runs.events import NoticeGiven
from models.runs.lock import require_in_place
from models.runs.new_run import new_run
from models.runs.run import Run
from models.runs.run_config import DataSection, ModelSection, RunConfig
from models.runs.typed_json import JsonObject


@dataclass(frozen=True, kw_only=True)
class TextPlan:
    """A training on text, decided but for what only a measurement can tell; `created` is the run that
    waits for it."""

    name: str
    runs_dir: Path
    created: Run | None
    corpus: Corpus
    data: TokenCounts
    tokenizer: Tokenizer
    reason: str
    model: ModelConfig
    training: TrainingConfig
    skeleton: RecursiveLM
    estimate: Estimate
    started_at: float
    is_named: bool = True
    """Whether the user chose the name: another may be taken in the place of one that was not."""

    def rows(self) -> list[tuple[str, str]]:
        """The plan as a short table."""
        model, training, cost = self.model, self.training, self.estimate
        embedding, blocks = cost.embedding_parameters, cost.parameters - cost.embedding_parameters
        heads, tokens = counted(model.n_heads, "head"), counted(self.tokenizer.vocab_size, "token")
        depth = self.skeleton.recursion_in_words()
        return [
            ("run", self.name),
            *self._text_rows(),
            *filter_row(self.corpus),
            *loss_row(training),
            *attention_row(training, self.corpus),
            ("tokenizer", f"{self.tokenizer.kind_in_words}, {tokens} ({self.reason})"),
            (
                "model",
                f"{model.architecture}, width {model.d_model}, {heads}, {depth}",
            ),
            ("parameters", f"{cost.parameters:,} ({blocks:,} in blocks, {embedding:,} in embeddings)"),
            (
                "batch",
                f"{counted(training.batch_size, 'sequence')} of {counted(model.context_length, 'token')}",
            ),
            ("optimizer", training.optimizer if training.optimizer == "adamw" else "muon and adamw"),
            number_format_row(cost),
            ("memory", f"about {byte_size(cost.training_bytes)}"),
            *growth_row(training),
            ("length", self._length()),
        ]

    def to_dict(self) -> JsonObject:
        """The plan as JSON has it."""
        return {
            "name": self.name,
            "corpus": described_corpus(self.corpus),
            **mix_in_plan(self.corpus, self.data),
            "tokenizer": {
                "kind": self.tokenizer.kind,
                "vocab_size": self.tokenizer.vocab_size,
                "reason": self.reason,
            },
            "model": ModelSection.of(self.model).dials,
            "training": asdict(self.training),
            "parameters": self.estimate.parameters,
            "embedding_parameters": self.estimate.embedding_parameters,
            "number_format": self.estimate.number_format.name,
            "memory_bytes": self.estimate.training_bytes,
            "expected_tokens": round(self._expected_tokens()),
            "expected_seconds": round(self._expected_s(), 1),
        }

    def start(self) -> Run:
        """Make the run directory, with all that training needs to begin.

        A created run is filled under its lock, and only while it is still untrained. Where this
        fails a new run is gone again and a created one is as it was. Raises UsageError,
        RunBusyError, StorageError.
        """
        if self.created is None:
            return self._start_fresh()
        with self.created.lock():
            config = self.created.config()
            require_untrained(self.created, config)
            self._write(self.created, config.lineage)
            with contextlib.suppress(OSError):  # fresh ones of another vocabulary, of no more use
                self.created.weights_path.unlink()
        return self.created

    def _start_fresh(self) -> Run:
        with new_run(
            self.name, self.runs_dir, suggested_from=None if self.is_named else self.corpus.name
        ) as run:
            self._write(run)
        return run

    def _write(self, run: Run, lineage: tuple[Mapping[str, object], ...] = ()) -> None:
        """Tokenizer and datasets, and config.json last: it is what makes the run one under way."""
        before = _content_of(run.tokenizer_path)
        try:
            require_in_place(run.path)
            with storing("the tokenizer"):
                self.tokenizer.save(run.tokenizer_path)
            run.save_datasets(datasets_of(self.corpus, self.data))
            run.save_config(self._config(run, lineage))
            record_notes(run, self.corpus.notes)
        except BaseException:
            with contextlib.suppress(OSError, StorageError, RunError):
                require_in_place(run.path)
                (run.path / DATASETS_FILE).unlink(missing_ok=True)
                if before is None:
                    run.tokenizer_path.unlink(missing_ok=True)
                else:
                    replace_file(run.tokenizer_path, [before])
            raise

    def _config(self, run: Run, lineage: tuple[Mapping[str, object], ...]) -> RunConfig:
        return RunConfig(
            name=run.name,
            corpus=self.corpus.name,
            parameters=self.estimate.parameters,
            embedding_parameters=self.estimate.embedding_parameters,
            started_at=self.started_at,
            model=ModelSection.of(self.model),
            training=asdict(self.training),
            data=data_section(self.corpus, self.tokenizer, self.data),
            lineage=lineage,
        )

    def _text_rows(self) -> list[tuple[str, str]]:
        corpus = self.corpus
        if isinstance(corpus, MixedCorpus):
            return mix_rows(corpus, self.data)
        return [("text", f"{corpus.name}: {counted(corpus.characters, 'character')}, {self._shares()}")]

    def _shares(self) -> str:
        if not is_lopsided(self.data):
            return "nine tenths to learn from"
        return (
            f"{counted(self.data.train_tokens, 'token')} to learn from, "
            f"{self.data.validation_tokens:,} to measure on"
        )

    def _length(self) -> str:
        return length_in_words(self.training, self.model, self.data, self.estimate.tokens_per_second)

    def _expected_tokens(self) -> float:
        return expected_tokens(self.training, self.model, self.data, self.estimate.tokens_per_second)

    def _expected_s(self) -> float:
        return self._expected_tokens() / self.estimate.tokens_per_second


def record_notes(run: Run, notes: Sequence[str]) -> None:
    """Record what was assumed of a text or of puzzles, and what was left out, as warnings of the run. Raises
    StorageError."""
    for _ in run.record(NoticeGiven(message=note, is_warning=True) for note in notes):
        pass


def require_conversations(request: TrainRequest, corpus: Corpus) -> None:
    """Raise UsageError where the assistant's words were to be learned, and there are none."""
    path = "training.loss_on"
    if path in request.ambient or request.overrides.values.get(path) != "assistant":
        return
    if corpus.kind != "messages":
        raise UsageError(
            f"{{training.loss_on}} assistant is for conversations, and {corpus.name} has none.",
            hint="Leave it out, or give a file of records with messages, or with prompt and completion.",
            field=path,
        )


def require_documents(request: TrainRequest, corpus: Corpus) -> None:
    """Raise UsageError where tokens were to attend to their own document alone, and all are of one."""
    path = "training.attend_within"
    if path in request.ambient or request.overrides.values.get(path) != "document":
        return
    if not has_borders(corpus):
        is_mix = isinstance(corpus, MixedCorpus) and len(corpus.mix) > 1
        whole = "has sources of one document each" if is_mix else "is one document"
        raise UsageError(
            f"{{training.attend_within}} document changes nothing here: {corpus.name} {whole}.",
            hint="Leave it out, or give several files, or a file of records.",
            field=path,
        )


def is_lopsided(data: TokenCounts) -> bool:
    """Whether the part to learn from is far from nine tenths of the tokens."""
    return not 0.85 <= data.train_tokens / max(1, data.train_tokens + data.validation_tokens) <= 0.95


def data_section(corpus: Corpus, tokenizer: Tokenizer, data: TokenCounts) -> DataSection:
    """What config.json has of the text that a run is trained on."""
    return DataSection(
        paths=paths_of(corpus),
        content_hash=corpus.content_hash,
        kind=corpus.kind,
        tokenizer=tokenizer.kind,
        tokenizer_hash=tokenizer.hash,
        prepared=None if isinstance(corpus, MixedCorpus) else data.path.name,
        mix=mix_section(corpus, data),
    )


def _content_of(path: Path) -> bytes | None:
    """The tokenizer.json that is there, or None. Raises UnreadableFileError."""
    with contextlib.suppress(FileNotFoundError):
        return read_plain_file(path, MAX_FILE_BYTES)
    return None
