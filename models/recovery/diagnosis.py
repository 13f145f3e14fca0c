"""What is wrong with a run's tokenizer.json, each defect by a name that scripts can rely on."""

import codecs
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from data.document import without_surrogates
from data.errors import TokenizerError
from data.plain_file import UnreadableFileError, read_plain_file
from data.tokenizer import MAX_FILE_BYTES, Tokenizer, tokenizer_from_json
from models.recovery.copies import own_copies
from models.recovery.known_text import KnownText, held_out_text
from models.runs.run import Run
from models.runs.tokenizer import expected_hash
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

_FEW = 0.05  # of the bytes, that damage may have changed; more is another file


@dataclass(frozen=True, slots=True)
class Finding:
    """A defect and what it means here, one sentence."""

    name: Defect
    sentence: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was found. `tokens` is the vocabulary of the file, None where it cannot be used; `loss`
    and `recorded_loss` are nats per token on a known text, None where it could not be measured."""

    findings: tuple[Finding, ...]
    vocab_size: int
    tokens: int | None
    loss: float | None
    recorded_loss: float | None
    tokenizer: Tokenizer | None = None

    @property
    def sound(self) -> bool:
        return not self.findings

    def to_dict(self) -> dict[str, Any]:
        """The diagnosis as JSON has it."""
        return {
            "sound": self.sound,
            "findings": [{"name": one.name, "sentence": one.sentence} for one in self.findings],
            "vocab_size": self.vocab_size,
            "tokens": self.tokens,
            "loss": self.loss if self.loss is not None and self.loss < float("inf") else None,
            "recorded_loss": self.recorded_loss,
        }


def diagnose(run: Run, config: Mapping[str, Any], known: KnownText, vocab_size: int) -> Diagnosis:
    """Look at tokenizer.json, against the model of `vocab_size`, what config.json and the weights
    say of it, and the text the run knows. Nothing is changed."""
    trusted = _trusted(run, config, vocab_size)
    content = _content(run)
    if isinstance(content, Finding):
        return _unusable(content, vocab_size, known)
    try:
        tokenizer = tokenizer_from_json(content.decode("utf-8"), origin="tokenizer.json")
    except (UnicodeDecodeError, TokenizerError) as error:
        return _unusable(_why_unusable(content, trusted, error), vocab_size, known)
    expected = expected_hash(config)
    findings = [*_wrong_size(run, tokenizer.vocab_size, vocab_size)]
    findings += _misfits(tokenizer, content, trusted, expected, vocab_size)
    loss = known.loss_with(tokenizer) if known.can_judge else None
    # With the recorded hash it is the one it was trained with: a text it cannot spell was learned with
    # unknown characters, and a loss that makes no sense has come from elsewhere. Without one recorded,
    # it may have been put into the wrong weights, and the loss says so.
    if tokenizer.hash != (expected or (trusted.hash if trusted is not None else None)):
        findings += _round_trip(tokenizer, known)
    if tokenizer.hash != expected and loss is not None and not known.is_sensible(loss):
        findings.append(_senseless(loss, known))
    return Diagnosis(tuple(findings), vocab_size, tokenizer.vocab_size, loss, known.recorded_loss, tokenizer)


def _unusable(finding: Finding, vocab_size: int, known: KnownText) -> Diagnosis:
    return Diagnosis((finding,), vocab_size, None, None, known.recorded_loss)


def _trusted(run: Run, config: Mapping[str, Any], vocab_size: int) -> Tokenizer | None:
    """The copy in the run's weights that fits what else is known of the tokenizer."""
    expected = expected_hash(config)
    return next(
        (
            copy.tokenizer
            for copy in own_copies(run)
            if copy.tokenizer.vocab_size == vocab_size and expected in (None, copy.tokenizer.hash)
        ),
        None,
    )


def _content(run: Run) -> bytes | Finding:
    try:
        return read_plain_file(run.tokenizer_path, MAX_FILE_BYTES)
    except FileNotFoundError:
        return Finding("missing", "There is no tokenizer.json.")
    except UnreadableFileError as error:
        return Finding("unreadable", error.message)


def _why_unusable(content: bytes, trusted: Tokenizer | None, error: Exception) -> Finding:
    """What happened to a file that no tokenizer can be made of."""
    if not content:
        return Finding("truncated", "tokenizer.json is empty.")
    if trusted is not None:
        original = trusted.to_json().encode()
        if original.startswith(content):
            return Finding(
                "truncated", f"tokenizer.json ends after {len(content):,} of {len(original):,} bytes."
            )
        if (flipped := _flipped(content, original)) is not None:
            return flipped
    whole = content.startswith(b'{"version"') and content.rstrip().endswith(b"}")
    if isinstance(error, UnicodeDecodeError):
        if whole:
            return Finding("bytes-flipped", "tokenizer.json has bytes among its text that are none.")
        return Finding("not-json", "tokenizer.json is not text.")
    try:
        json.loads(content.decode("utf-8"))
    except json.JSONDecodeError:
        if content.startswith(codecs.BOM_UTF8):
            return Finding("not-json", "tokenizer.json begins with a byte order mark, which is not JSON.")
        if content.lstrip().startswith(b"{") and not whole:
            return Finding("truncated", "tokenizer.json ends in the middle of its JSON.")
        return Finding("not-json", "tokenizer.json is not JSON.")
    except (ValueError, RecursionError):
        return Finding("not-json", "tokenizer.json is not JSON.")
    sentence = error.message if isinstance(error, TokenizerError) else "tokenizer.json is no tokenizer."
    return Finding("not-a-tokenizer", sentence)


def _wrong_size(run: Run, tokens: int, vocab_size: int) -> Iterator[Finding]:
    """Where the file and config.json differ, the shape in the weights tells which of them is the odd one."""
    if tokens == vocab_size:
        return
    shape = shape_in(run.weights_path, "embedding.weight")
    rows = vocab_size if shape is None else shape[0]
    sentence = f"tokenizer.json has {tokens:,} tokens, and the model's embedding {rows:,}."
    if tokens == rows:
        sentence = (
            f"config.json says that the model has {vocab_size:,} tokens, but the weights and tokenizer.json "
            f"have {rows:,}."
        )
    yield Finding("wrong-size", sentence)


def _misfits(
    tokenizer: Tokenizer, content: bytes, trusted: Tokenizer | None, expected: str | None, vocab_size: int
) -> Iterator[Finding]:
    """How a tokenizer that can be used is not the one the model was trained with."""
    wanted = expected or (trusted.hash if trusted is not None else None)
    if wanted is None or tokenizer.hash == wanted:
        return
    of_whom = "the weights' own copy" if trusted is not None else "the one config.json names"
    if trusted is not None and _tokens(tokenizer) == _tokens(trusted):
        moved = sum(tokenizer.token_bytes(i) != trusted.token_bytes(i) for i in range(vocab_size))
        how = f"{moved:,} of them under other ids" if moved else "it joins them by other rules"
        yield Finding(
            "shuffled-ids" if moved else "other-tokenizer",
            f"tokenizer.json has the tokens of {of_whom}, but {how}.",
        )
    elif trusted is None and tokenizer.vocab_size == vocab_size and _out_of_order(tokenizer):
        yield Finding(
            "shuffled-ids", f"tokenizer.json is not {of_whom}: its characters are not in their order."
        )
    elif trusted is not None and (flipped := _flipped(content, trusted.to_json().encode())) is not None:
        yield flipped
    else:
        yield Finding("other-tokenizer", f"tokenizer.json is another tokenizer than {of_whom}.")


def _flipped(content: bytes, original: bytes) -> Finding | None:
    """The finding where a file is the original but for a few bytes."""
    if len(content) != len(original):
        return None
    changed = sum(a != b for a, b in zip(content, original, strict=True))
    if not 0 < changed <= _FEW * len(original):
        return None
    of = f"of the {len(original):,} bytes of tokenizer.json"
    sentence = f"{changed} {of} differ" if changed > 1 else f"One {of} differs"
    return Finding("bytes-flipped", f"{sentence} from the weights' own copy.")


def _tokens(tokenizer: Tokenizer) -> list[bytes]:
    return sorted(tokenizer.token_bytes(i) for i in range(tokenizer.vocab_size))


def _out_of_order(tokenizer: Tokenizer) -> bool:
    """Whether characters come in another order than learning them from a text gives."""
    own = [tokenizer.token_bytes(i) for i in range(16, tokenizer.vocab_size)]
    return tokenizer.kind == "character" and own != sorted(own)


def _round_trip(tokenizer: Tokenizer, known: KnownText) -> Iterator[Finding]:
    if known.sample is None:
        return
    characters = map(without_surrogates, known.sample.character_counts)
    lost = [c for c in characters if tokenizer.decode(tokenizer.encode(c)) != c]
    if lost:
        shown = ", ".join(ascii(c) for c in sorted(lost)[:5]) + (", …" if len(lost) > 5 else "")
        yield Finding(
            "no-round-trip",
            f"Of the text '{known.sample.name}' it was trained on, {len(lost):,} characters are lost "
            f"when it is encoded: {shown}.",
        )
        return
    text = without_surrogates("".join(held_out_text(known.sample)))
    if tokenizer.decode(tokenizer.encode(text)) != text:
        yield Finding(
            "no-round-trip", f"The text '{known.sample.name}' encoded and decoded is not what it was."
        )


def _senseless(loss: float, known: KnownText) -> Finding:
    assert known.sample is not None and known.recorded_loss is not None
    reads = f"With tokenizer.json the model's loss on '{known.sample.name}' is {loss:.2f} nats per token"
    if loss >= known.uniform_loss:
        guess = f"worse than a blind guess among all tokens ({known.uniform_loss:.2f})"
        return Finding("senseless-loss", f"{reads}, {guess}.")
    return Finding("senseless-loss", f"{reads}, and {known.recorded_loss:.2f} when it was trained.")
