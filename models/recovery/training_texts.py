"""The texts a run was trained on that are still there, and its model's loss on them with a tokenizer."""

import math
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from data.corpus import Corpus, open_corpus
from data.errors import CorpusError, RlmError, UsageError
from data.loss_marks import as_asked
from data.progress import result_of
from data.tokenizer import SPECIAL_TOKENS, Tokenizer
from models.evaluation.loss import evaluate
from models.evaluation.modes import default_depth
from models.recovery.held_out_text import held_out_tokens
from models.recursive_lm import RecursiveLM
from models.runs.datasets import Dataset, completed
from models.runs.load import load_model
from models.runs.run import Run
from models.runs.run_config import RunConfig
from models.runs.text_search import find_text

_EVALUATED_TOKENS = 16_384
_ALLOWED_SHARE, _ALLOWED_NATS = 0.2, 0.3
"""How far a loss may be above the recorded one, which is of all windows and perhaps of another machine."""

_LEARNED = 0.9
"""A model whose loss is above this share of a uniform guess's has learned too little to tell."""


class TrainingTexts:
    """The texts of a run that have not changed since it was trained, and its model to read them with.

    `like` is a text kept elsewhere that may be one of them; `like_encoding` is its encoding, if known.
    """

    def __init__(
        self, run: Run, config: RunConfig, like: Path | None = None, like_encoding: str | None = None
    ) -> None:
        self._run = run
        self._config = config
        self.like = like
        self.like_encoding = like_encoding

    @cached_property
    def datasets(self) -> list[Dataset]:
        """datasets.json; where it is damaged, what config.json records of its text."""
        try:
            return self._run.datasets(self._config)
        except RlmError:
            return completed([], self._config)

    @cached_property
    def corpora(self) -> list[Corpus | None]:
        """The text of each of `datasets`; None where it is gone or has changed."""
        return [self._corpus_of(entry) for entry in self.datasets]

    @property
    def missing(self) -> list[tuple[str, str | None]]:
        """The name of each text that is gone or has changed, and its path, if that is known."""
        return [
            (entry.name, paths[0] if (paths := self._paths(entry)) else None)
            for entry, corpus in zip(self.datasets, self.corpora, strict=True)
            if corpus is None
        ]

    @property
    def how_to_bring_back(self) -> str | None:
        """What to do about missing texts, as the beginning of a hint; None where none is missing."""
        places = " and ".join(
            f"'{name}' back at '{path}'" if path else f"'{name}' back" for name, path in self.missing
        )
        return f"Put the text {places}" if places else None

    @property
    def model(self) -> RecursiveLM | None:
        """The run's model with its best weights; None where it cannot be loaded."""
        return self._model_or_error if isinstance(self._model_or_error, RecursiveLM) else None

    @cached_property
    def _model_or_error(self) -> RecursiveLM | RlmError:
        try:
            return load_model(self._run, self._config)
        except RlmError as error:
            return error

    @property
    def sample(self) -> Corpus | None:
        """The newest text that is still there."""
        return next((corpus for corpus in reversed(self.corpora) if corpus is not None), None)

    @cached_property
    def recorded_loss(self) -> float | None:
        """Nats per token on `sample`, measured after training."""
        place = next((i for i, corpus in enumerate(self.corpora) if corpus is self.sample), None)
        if self.sample is None or place is None:
            return None
        loss = self.datasets[place].loss_now
        if loss is None and self.sample.content_hash == self._config.content_hash:
            try:
                evaluation = self._run.evaluation()
            except RlmError:
                return None
            loss = None if evaluation is None else evaluation.validation_loss
        return loss if loss is not None and math.isfinite(loss) else None

    @property
    def can_compare(self) -> bool:
        """Whether a loss can be measured and tells one tokenizer from another."""
        return self.why_not_comparable is None

    @cached_property
    def why_not_comparable(self) -> str | None:
        """Why the model cannot tell one tokenizer from another, as the end of a sentence; None if it can."""
        if self.sample is None:
            gone = " and ".join(f"'{name}' is no longer at '{path}'" for name, path in self.missing if path)
            return f"no text it was trained on is left to decide by{f': {gone}' if gone else ''}"
        if isinstance(self._model_or_error, RlmError):
            return f"its model cannot be used: {self._model_or_error.message.removesuffix('.')}"
        if self.recorded_loss is None:
            return f"no loss on the text '{self.sample.name}' is recorded to decide by"
        if self.recorded_loss >= _LEARNED * self.uniform_loss:
            return "its model has learned too little to tell one from another"
        return None

    def loss_with(self, tokenizer: Tokenizer) -> float:
        """Nats per token on the held-out part of `sample`, encoded by `tokenizer`; where `can_compare`.

        Infinite where the tokenizer has ids the model does not.
        """
        assert self.sample is not None and self.model is not None
        if tokenizer.vocab_size > self.model.config.vocab_size:
            return math.inf
        tokens = np.concatenate(list(held_out_tokens(self.sample, tokenizer)))
        tokens = as_asked(tokens, str(self._config.training.get("loss_on", "all")))
        depth = default_depth(self.model)
        within_documents = self._config.training.get("attend_within") == "document"
        evaluating = evaluate(
            self.model,
            tokens,
            depth,
            "float32",
            max_tokens=_EVALUATED_TOKENS,
            within_documents=within_documents,
        )
        return result_of(evaluating)

    def is_plausible(self, loss: float) -> bool:
        """Whether a loss is near the recorded one, and better than a uniform guess."""
        assert self.recorded_loss is not None
        allowed = self.recorded_loss + max(_ALLOWED_NATS, _ALLOWED_SHARE * self.recorded_loss)
        return loss <= allowed and loss < self.uniform_loss

    @property
    def uniform_loss(self) -> float:
        """Nats per token of a uniform guess among all text tokens."""
        assert self.model is not None
        return math.log(max(1, self.model.config.vocab_size - len(SPECIAL_TOKENS)))

    def _corpus_of(self, entry: Dataset) -> Corpus | None:
        paths = self._paths(entry)
        if self._like_corpus is not None and self._like_corpus.content_hash == entry.content_hash:
            return self._like_corpus
        try:
            return result_of(find_text(self._run, paths, str(entry.content_hash)))
        except (CorpusError, UsageError):
            return None

    @cached_property
    def _like_corpus(self) -> Corpus | None:
        if self.like is None:
            return None
        try:
            return open_corpus([self.like], () if self.like_encoding is None else (self.like_encoding,))
        except (CorpusError, UsageError):
            return None

    def _paths(self, entry: Dataset) -> Sequence[str]:
        data = self._config.data
        same = data is not None and entry.content_hash == data.content_hash
        return entry.paths or (data.paths if data is not None and same else ())
