"""What is wrong with a run's tokenizer.json, each defect by a name that scripts can rely on."""

import codecs
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from data.errors import TokenizerError
from data.plain_file import UnreadableFileError, read_plain_file
from data.tokenizer import MAX_FILE_BYTES, Tokenizer, tokenizer_from_json
from models.recovery.held_out_text import held_out_text
from models.recovery.tokenizer_copies import copies_in_weights
from models.recovery.training_texts import TrainingTexts
from models.runs.run import Run
from models.runs.run_config import RunConfig
from models.runs.tokenizer import expected_hash
from models.runs.typed_json import JsonObject
from models.runs.weights_file import shape_in

Defect = Literal[
    "missing",
    "unreadable",
    "truncated",
    "bytes-flipped",
    "not-json",
    "not-a-tokenizer",
    "wrong-size",
    "shuffled-ids",
    "other-tokenizer",
    "no-round-trip",
    "senseless-loss",
]

_MAX_FLIPPED = 0.05  # share of the bytes; a file with more changes is another one


@dataclass(frozen=True, slots=True)
class Finding:
    """A defect and one sentence that says what it is here."""

    name: Defect
    sentence: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was found. `tokens` is the vocabulary size of the file, None where it cannot be used. `loss` and
    `recorded_loss` are nats per token on a training text, None where they could not be measured."""

    findings: tuple[Finding, ...]
    vocab_size: int
    tokens: int | None
    loss: float | None
    recorded_loss: float | None
    tokenizer: Tokenizer | None = None

    @property
    def sound(self) -> bool:
        return not self.findings

    def to_dict(self) -> JsonObject:
        """The diagnosis as JSON."""
        return {
            "sound": self.sound,
            "findings": [{"name": one.name, "sentence": one.sentence} for one in self.findings],
            "vocab_size": self.vocab_size,
            "tokens": self.tokens,
            "loss": self.loss if self.loss is not None and self.loss < float("inf") else None,
            "recorded_loss": self.recorded_loss,
        }


def diagnose(run: Run, config: RunConfig, texts: TrainingTexts, vocab_size: int) -> Diagnosis:
    """Compare tokenizer.json with the model of `vocab_size`, with what config.json and the weights record
    of it, and with the training texts. Changes nothing."""
    trusted = _matching_copy(run, config, vocab_size)
    content = _content(run)
    if isinstance(content, Finding):
        return _unusable(content, vocab_size, texts)
    try:
        tokenizer = tokenizer_from_json(content.decode("utf-8"), origin="tokenizer.json")
    except (UnicodeDecodeError, TokenizerError) as error:
        return _unusable(_why_unusable(content, trusted, error), vocab_size, texts)
    expected = expected_hash(config)
    findings = [*_wrong_size(run, tokenizer.vocab_size, vocab_size)]
    findings += _mismatch(tokenizer, content, trusted, expected, vocab_size)
    loss = texts.loss_with(tokenizer) if texts.can_compare else None
    # A tokenizer with the recorded hash is the right one. If it cannot encode the text, the model was trained
    # with unknown characters; a bad loss then has another cause. A copy in the weights proves less: it may
    # have been saved with the wrong weights, so its loss counts.
    if tokenizer.hash != (expected or (trusted.hash if trusted is not None else None)):
        findings += _round_trip(tokenizer, texts)
    if tokenizer.hash != expected and loss is not None and not texts.is_plausible(loss):
        findings.append(_senseless_loss(loss, texts))
    return Diagnosis(tuple(findings), vocab_size, tokenizer.vocab_size, loss, texts.recorded_loss, tokenizer)


def _unusable(finding: Finding, vocab_size: int, texts: TrainingTexts) -> Diagnosis:
    return Diagnosis((finding,), vocab_size, None, None, texts.recorded_loss)


def _matching_copy(run: Run, config: RunConfig, vocab_size: int) -> Tokenizer | None:
    """The copy in the run's weights that has the right size and, if one is recorded, the right hash."""
    expected = expected_hash(config)
    return next(
        (
            copy.tokenizer
            for copy in copies_in_weights(run)
            if copy.tokenizer.vocab_size == vocab_size and expected in (None, copy.tokenizer.hash)
        ),
        None,
    )


def _content(run: Run) -> bytes | Finding:
    try:
        return read_plain_file(run.tokenizer_path, MAX_FILE_BYTES).removeprefix(codecs.BOM_UTF8)
    except FileNotFoundError:
        return Finding("missing", "There is no tokenizer.json.")
    except UnreadableFileError as error:
        return Finding("unreadable", error.message)


def _why_unusable(content: bytes, trusted: Tokenizer | None, error: Exception) -> Finding:
    """What happened to a file that cannot be used as a tokenizer."""
    if not content:
        return Finding("truncated", "tokenizer.json is empty.")
    if trusted is not None:
        original = trusted.to_json().encode()
        if original.startswith(content):
            return Finding(
                "truncated", f"tokenizer.json ends after {len(content):,} of {len(original):,} bytes."
            )
        if (flipped := _flipped_bytes(content, original)) is not None:
            return flipped
    whole = content.startswith(b'{"version"') and content.rstrip().endswith(b"}")
    if isinstance(error, UnicodeDecodeError):
        if whole:
            return Finding("bytes-flipped", "Some bytes of tokenizer.json are not text.")
        return Finding("not-json", "tokenizer.json is not text.")
    try:
        json.loads(content.decode("utf-8"))
    except json.JSONDecodeError:
        if content.lstrip().startswith(b"{") and not whole:
            return Finding("truncated", "tokenizer.json ends in the middle of its JSON.")
        return Finding("not-json", "tokenizer.json is not JSON.")
    except (ValueError, RecursionError):
        return Finding("not-json", "tokenizer.json is not JSON.")
    sentence = error.message if isinstance(error, TokenizerError) else "tokenizer.json is no tokenizer."
    return Finding("not-a-tokenizer", sentence)


def _wrong_size(run: Run, tokens: int, vocab_size: int) -> Iterator[Finding]:
    """Where the file and config.json differ, the weights show which of them is wrong."""
    if tokens == vocab_size:
        return
    shape = shape_in(run.weights_path, "embedding.weight")
    rows = vocab_size if shape is None else shape[0]
    sentence = f"tokenizer.json has {tokens:,} tokens, but the model has {rows:,}."
    if tokens == rows:
        sentence = (
            f"config.json says that the model has {vocab_size:,} tokens, but the weights and tokenizer.json "
            f"have {rows:,}."
        )
    yield Finding("wrong-size", sentence)


def _mismatch(
    tokenizer: Tokenizer, content: bytes, trusted: Tokenizer | None, expected: str | None, vocab_size: int
) -> Iterator[Finding]:
    """How a usable tokenizer differs from the one the model was trained with."""
    wanted = expected or (trusted.hash if trusted is not None else None)
    if wanted is None or tokenizer.hash == wanted:
        return
    right = "the copy in the weights" if trusted is not None else "the one recorded in config.json"
    if trusted is not None and _tokens(tokenizer) == _tokens(trusted):
        moved = sum(tokenizer.token_bytes(i) != trusted.token_bytes(i) for i in range(vocab_size))
        how = f"{moved:,} of them have other ids" if moved else "its merge rules differ"
        yield Finding(
            "shuffled-ids" if moved else "other-tokenizer",
            f"tokenizer.json has the same tokens as {right}, but {how}.",
        )
    elif trusted is None and tokenizer.vocab_size == vocab_size and not _is_sorted(tokenizer):
        yield Finding("shuffled-ids", f"tokenizer.json is not {right}: its characters are not in order.")
    elif trusted is not None and (flipped := _flipped_bytes(content, trusted.to_json().encode())) is not None:
        yield flipped
    else:
        yield Finding("other-tokenizer", f"tokenizer.json is not {right}.")


def _flipped_bytes(content: bytes, original: bytes) -> Finding | None:
    """The finding where only a few bytes differ from the original."""
    if len(content) != len(original):
        return None
    changed = sum(a != b for a, b in zip(content, original, strict=True))
    if not 0 < changed <= _MAX_FLIPPED * len(original):
        return None
    of = f"of the {len(original):,} bytes of tokenizer.json"
    sentence = f"{changed} {of} differ" if changed > 1 else f"One {of} differs"
    return Finding("bytes-flipped", f"{sentence} from the copy in the weights.")


def _tokens(tokenizer: Tokenizer) -> list[bytes]:
    return sorted(tokenizer.token_bytes(i) for i in range(tokenizer.vocab_size))


def _is_sorted(tokenizer: Tokenizer) -> bool:
    """Whether characters are in the order that training gives them; always true of byte pairs."""
    own = [tokenizer.token_bytes(i) for i in range(16, tokenizer.vocab_size)]
    return tokenizer.kind != "character" or own == sorted(own)


def _round_trip(tokenizer: Tokenizer, texts: TrainingTexts) -> Iterator[Finding]:
    if texts.sample is None:
        return
    characters = map(tokenizer.normalize, texts.sample.character_counts)
    lost = [c for c in characters if tokenizer.decode(tokenizer.encode(c)) != c]
    if lost:
        shown = ", ".join(ascii(c) for c in sorted(lost)[:5]) + (", …" if len(lost) > 5 else "")
        yield Finding(
            "no-round-trip",
            f"{len(lost):,} of the characters of the training text '{texts.sample.name}' are lost when it is "
            f"encoded: {shown}.",
        )
        return
    text = tokenizer.normalize("".join(held_out_text(texts.sample)))
    if tokenizer.decode(tokenizer.encode(text)) != text:
        yield Finding(
            "no-round-trip", f"Encoding and decoding changes the training text '{texts.sample.name}'."
        )


def _senseless_loss(loss: float, texts: TrainingTexts) -> Finding:
    assert texts.sample is not None and texts.recorded_loss is not None
    measured = f"With tokenizer.json the model's loss on '{texts.sample.name}' is {loss:.2f} nats per token"
    if loss >= texts.uniform_loss:
        guess = f"worse than a random guess ({texts.uniform_loss:.2f})"
        return Finding("senseless-loss", f"{measured}, {guess}.")
    return Finding("senseless-loss", f"{measured}; after training it was {texts.recorded_loss:.2f}.")
