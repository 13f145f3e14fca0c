"""What a run was trained on, where it still lies, and how well its model does with a tokenizer on it."""

import math
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import numpy as np

from data.corpus import Corpus, open_corpus
from data.errors import CorpusError, RlmError, UsageError
from data.tokenizer import SPECIAL_TOKENS, Tokenizer
from models.datasets import Dataset, read_datasets
from models.recursive_lm import RecursiveLM
from models.run import Run
from models.trained import load_model
from models.training.evaluate import evaluate
from models.training.modes import default_depth

_READ_CHARACTERS = 200_000
_JUDGED_TOKENS = 16_384
_ALLOWED_SHARE, _ALLOWED_NATS = 0.2, 0.3
"""How much higher than recorded a loss may be: it is of some windows only, and of another machine."""

_LEARNED = 0.9
"""Of a blind guess's loss: above it, a model has learned nothing that could be lost."""


class KnownText:
    """The corpora of a run that are still what it learned, and its model to read them with."""

    def __init__(self, run: Run, config: Mapping[str, Any]) -> None:
        self._run = run
        self._config = config

    @cached_property
    def datasets(self) -> list[Dataset]:
        """datasets.json, or of a run without one what config.json says of its text."""
        try:
            listed = read_datasets(self._run)
        except RlmError:
            listed = []
        if not listed and (data := self._config.get("data")):
            listed = [{"content_hash": data["content_hash"], "paths": data["paths"]}]
        return listed

    @cached_property
    def corpora(self) -> list[Corpus | None]:
        """For each of `datasets` its text, None where that is gone or another one now."""
        return [self._opened(entry) for entry in self.datasets]

    @cached_property
    def model(self) -> RecursiveLM | None:
        """The run's kept weights, None where there are none to use."""
        try:
            return load_model(self._run, self._config)
        except RlmError:
            return None

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
        """Whether a loss can be measured, and tells one tokenizer from another: a model that has
        learned next to nothing reads its text as badly with any."""
        if self.sample is None or self.recorded_loss is None or self.model is None:
            return False
        return self.recorded_loss < _LEARNED * self.uniform_loss

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
        data = self._config.get("data", {})
        same = entry.get("content_hash") == data.get("content_hash")
        paths = entry.get("paths") or (data.get("paths") if same else None)
        if not isinstance(paths, list) or not paths or "-" in paths:
            return None
        try:
            corpus = open_corpus(paths)
        except (CorpusError, UsageError):
            return None
        return corpus if corpus.content_hash == entry.get("content_hash") else None


def held_out_text(corpus: Corpus) -> Iterator[str]:
    """The validation part piece by piece, up to a bound."""
    left = _READ_CHARACTERS
    for document in corpus.documents_of("validation"):
        for piece in document.pieces or [message.content for message in document.messages or ()]:
            if left <= 0:
                return
            yield piece[:left]
            left -= len(piece)


def _held_out(corpus: Corpus, tokenizer: Tokenizer) -> Iterator[np.ndarray]:
    """The validation part as tokens, laid out as in training."""
    left = _READ_CHARACTERS
    for document in corpus.documents_of("validation"):
        if left <= 0:
            return
        if document.messages is not None:
            yield tokenizer.encode_chat(document.messages)
            left -= sum(len(message.content) for message in document.messages)
            continue
        text = "".join(document.pieces or ())[:left]
        left -= len(text)
        yield tokenizer.encode(text) if corpus.kind == "text" else tokenizer.encode_document(text)
