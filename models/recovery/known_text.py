"""What a run was trained on, where it still lies, and how well its model does with a tokenizer on it."""

import math
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from data.corpus import Corpus, open_corpus
from data.document import Message
from data.errors import CorpusError, RlmError, UsageError
from data.tokenizer import SPECIAL_TOKENS, Tokenizer
from models.evaluation.loss import evaluate
from models.evaluation.modes import default_depth
from models.recursive_lm import RecursiveLM
from models.runs.datasets import Dataset, read_datasets
from models.runs.load import load_model
from models.runs.run import Run

_READ_CHARACTERS = 200_000
_STRETCH = 8_000  # characters read in one go: many contexts long, so that few begin in the middle
_JUDGED_TOKENS = 16_384
_ALLOWED_SHARE, _ALLOWED_NATS = 0.2, 0.3
"""How much higher than recorded a loss may be: it is of some windows only, and of another machine."""

_LEARNED = 0.9
"""Of a blind guess's loss: above it, a model has learned nothing that could be lost."""


class KnownText:
    """The corpora of a run that are still what it learned, and its model to read them with.

    `like` is a text that may be one of them, kept elsewhere.
    """

    def __init__(self, run: Run, config: Mapping[str, Any], like: Path | None = None) -> None:
        self._run = run
        self._config = config
        self._like = like

    @cached_property
    def datasets(self) -> list[Dataset]:
        """datasets.json, or where it is damaged what config.json says of its text."""
        try:
            return read_datasets(self._run)
        except RlmError:
            data = self._config["data"]
            return [{"content_hash": data["content_hash"], "paths": data["paths"]}]

    @cached_property
    def corpora(self) -> list[Corpus | None]:
        """For each of `datasets` its text, None where that is gone or another one now."""
        return [self._opened(entry) for entry in self.datasets]

    @property
    def missing(self) -> list[tuple[str, str | None]]:
        """The name of each text that is gone or another one now, and where it lay, if that is known."""
        return [
            (str(entry.get("name", "text")), paths[0] if (paths := self._paths(entry)) else None)
            for entry, corpus in zip(self.datasets, self.corpora, strict=True)
            if corpus is None
        ]

    @property
    def where_lost_texts_belong(self) -> str | None:
        """What to do about missing texts, as the beginning of a hint; None where there are none."""
        places = " and ".join(
            f"'{name}' back at '{path}'" if path else f"'{name}' back" for name, path in self.missing
        )
        return f"Put the text {places}" if places else None

    @property
    def model(self) -> RecursiveLM | None:
        """The run's kept weights, None where there are none to use."""
        return self._loaded if isinstance(self._loaded, RecursiveLM) else None

    @cached_property
    def _loaded(self) -> RecursiveLM | RlmError:
        try:
            return load_model(self._run, self._config)
        except RlmError as error:
            return error

    @property
    def sample(self) -> Corpus | None:
        """The text it learned last of those that are there."""
        return next((corpus for corpus in reversed(self.corpora) if corpus is not None), None)

    @cached_property
    def recorded_loss(self) -> float | None:
        """Nats per token on `sample` as it was measured after training."""
        place = next((i for i, corpus in enumerate(self.corpora) if corpus is self.sample), None)
        if self.sample is None or place is None:
            return None
        loss = self.datasets[place].get("loss_now")
        if not isinstance(loss, float) and self.sample.content_hash == self._config["data"]["content_hash"]:
            try:
                loss = (self._run.read_json("evaluation.json") or {}).get("validation_loss")
            except RlmError:
                return None
        return loss if isinstance(loss, float) and math.isfinite(loss) else None

    @property
    def can_judge(self) -> bool:
        """Whether a loss can be measured, and tells one tokenizer from another."""
        return self.why_not_judged is None

    @cached_property
    def why_not_judged(self) -> str | None:
        """What keeps the model from telling one tokenizer from another, as the end of a sentence."""
        if self.sample is None:
            gone = " and ".join(f"'{name}' is no longer at '{path}'" for name, path in self.missing if path)
            return f"no text it was trained on is left to decide by{f': {gone}' if gone else ''}"
        if isinstance(self._loaded, RlmError):
            return f"its model cannot be used: {self._loaded.message.removesuffix('.')}"
        if self.recorded_loss is None:
            return f"no loss on the text '{self.sample.name}' is recorded to decide by"
        if self.recorded_loss >= _LEARNED * self.uniform_loss:
            return "its model has learned too little to tell one from another"
        return None

    def loss_with(self, tokenizer: Tokenizer) -> float:
        """Nats per token on the held-out part of `sample`, cut by `tokenizer`; where `can_judge`.

        Infinite where the tokenizer has ids the model does not.
        """
        assert self.sample is not None and self.model is not None
        if tokenizer.vocab_size > self.model.config.vocab_size:
            return math.inf
        tokens = np.concatenate(list(_held_out(self.sample, tokenizer)))
        reading = evaluate(self.model, tokens, default_depth(self.model), "float32", at_most=_JUDGED_TOKENS)
        while True:
            try:
                next(reading)
            except StopIteration as end:
                return float(end.value)

    def is_sensible(self, loss: float) -> bool:
        """Whether a loss is what this model should have: near the one recorded, and better than a
        guess among all tokens."""
        assert self.recorded_loss is not None
        allowed = self.recorded_loss + max(_ALLOWED_NATS, _ALLOWED_SHARE * self.recorded_loss)
        return loss <= allowed and loss < self.uniform_loss

    @property
    def uniform_loss(self) -> float:
        """Nats per token of a guess among all text tokens."""
        assert self.model is not None
        return math.log(max(1, self.model.config.vocab_size - len(SPECIAL_TOKENS)))

    def _opened(self, entry: Dataset) -> Corpus | None:
        paths = self._paths(entry)
        for corpus in (self._opened_at(paths) if paths else None, self._offered):
            if corpus is not None and corpus.content_hash == entry.get("content_hash"):
                return corpus
        return None

    @cached_property
    def _offered(self) -> Corpus | None:
        return None if self._like is None else self._opened_at([str(self._like)])

    def _opened_at(self, paths: list[str]) -> Corpus | None:
        if "-" in paths:
            return None
        try:
            return open_corpus(paths)
        except (CorpusError, UsageError):
            return None

    def _paths(self, entry: Dataset) -> list[str]:
        data = self._config.get("data", {})
        same = entry.get("content_hash") == data.get("content_hash")
        paths = entry.get("paths") or (data.get("paths") if same else None)
        return paths if isinstance(paths, list) else []


def held_out_text(corpus: Corpus) -> Iterator[str]:
    """The text of the validation part; of a long one stretches from all over it."""
    for stretch in _held_out_stretches(corpus):
        yield stretch if isinstance(stretch, str) else "".join(message.content for message in stretch)


def _held_out(corpus: Corpus, tokenizer: Tokenizer) -> Iterator[np.ndarray]:
    """The same as tokens, laid out as in training."""
    for stretch in _held_out_stretches(corpus):
        if not isinstance(stretch, str):
            yield tokenizer.encode_chat(stretch)
        else:
            yield tokenizer.encode(stretch) if corpus.kind == "text" else tokenizer.encode_document(stretch)


def _held_out_stretches(corpus: Corpus) -> list[str | tuple[Message, ...]]:
    """Stretches of documents and whole conversations, every n-th of them, so few that they are bounded.

    How many there are shows at the end only: each time they have become too many, every second goes.
    """
    kept: list[tuple[int, str | tuple[Message, ...]]] = []
    size, every = 0, 1
    for number, (length, stretch) in enumerate(_stretches(corpus)):
        if number % every:
            continue
        kept.append((length, stretch))
        size += length
        while size > _READ_CHARACTERS and len(kept) > 1:
            kept, every = kept[::2], 2 * every
            size = sum(length for length, _ in kept)
    return [stretch for _, stretch in kept]


def _stretches(corpus: Corpus) -> Iterator[tuple[int, str | tuple[Message, ...]]]:
    """The validation part, each stretch with its length in characters."""
    for document in corpus.documents_of("validation"):
        if document.messages is not None:
            yield sum(len(message.content) for message in document.messages), document.messages
            continue
        rest = ""
        for piece in document.pieces or ():
            rest += piece
            whole = len(rest) // _STRETCH * _STRETCH
            for start in range(0, whole, _STRETCH):
                yield _STRETCH, rest[start : start + _STRETCH]
            rest = rest[whole:]
        if rest:
            yield len(rest), rest
