"""A sample of a corpus that is kept in the run, and replayed while the model learns later corpora.

A sample holds token ids. These never change, so it stays valid when the text is gone, when the cache is
empty and when the vocabulary has grown. Each is one small safetensors file with a hash over all of it.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from data.errors import CorpusError
from data.loss_marks import MARK
from data.plain_file import UnreadableFileError, read_plain_file
from data.storage import replace_file, storing
from data.tokenizer import Tokenizer

REPLAY_BYTES = 2_000_000
"""For all samples of a run together."""
HELD_OUT_TOKENS = 65_536
"""Of a text, and of all sources of a mix together in their shares."""
PIECE_TOKENS = 2048
"""The length of a piece: many contexts long, so that few blocks cross from one piece into the next."""

_FORMAT, _FORMAT_VERSION = "rlm-replay", "1"
_HEADER_BYTES = 1024
_SMALLEST_TRAINING_PART = 4
_LEAST_BYTES = 16 * 2**10
"""For the sample of a source with a small share."""
_LARGEST_FILE = 64 * 2**20


@dataclass(frozen=True, slots=True, eq=False)
class ReplaySample:
    """Tokens of the corpus `content_hash`, of one unsigned type: `train` (N,) to learn again, `held_out` (M,)
    to measure on. `held_out_bytes` is the length of the held-out text, the divisor of bits per byte."""

    content_hash: str
    train: np.ndarray
    held_out: np.ndarray
    held_out_bytes: int


def bytes_per_sample(budget: int, number: int, share: Fraction = Fraction(1)) -> int:
    """The bytes that each of the samples of `number` texts may have on the disk. A mix is one text, and
    `share` is that of a source in it."""
    whole = budget // max(1, number)
    return whole if share == 1 else max(_LEAST_BYTES, int(whole * share))


def draw_sample(
    content_hash: str,
    train: np.ndarray,
    held_out: np.ndarray,
    held_out_bytes: int,
    most_bytes: int,
    share: Fraction | float = 1,
) -> ReplaySample:
    """A sample of a corpus that takes about `most_bytes` on the disk.

    The held-out part is kept whole up to HELD_OUT_TOKENS times `share`, which is that of a source in a mix,
    and a larger one in pieces; it never shrinks later, because losses are compared on it. The training part
    gets the rest, but at least a quarter of `most_bytes`. It is kept whole where it fits, else in pieces of
    PIECE_TOKENS at equal distances.
    """
    held = _pick_evenly(held_out, max(PIECE_TOKENS, int(HELD_OUT_TOKENS * share)))
    if len(held) < len(held_out):
        held_out_bytes = round(held_out_bytes * len(held) / len(held_out))
    largest = max((int(part.max()) for part in (train, held) if len(part)), default=0)
    dtype = np.min_scalar_type(largest)
    left = most_bytes - held.size * dtype.itemsize - _HEADER_BYTES
    room = max(left, most_bytes // _SMALLEST_TRAINING_PART) // dtype.itemsize
    return ReplaySample(
        content_hash, _pick_evenly(train, room).astype(dtype), held.astype(dtype), held_out_bytes
    )


def thin_sample(sample: ReplaySample, most_bytes: int) -> ReplaySample:
    """The sample in fewer bytes: some of its pieces, at equal distances."""
    return draw_sample(sample.content_hash, sample.train, sample.held_out, sample.held_out_bytes, most_bytes)


def save_sample(folder: Path, sample: ReplaySample) -> None:
    """Write the sample into `folder`, whole or not at all. Raises StorageError."""
    path = folder / sample_name(sample.content_hash)
    metadata = {
        "format": _FORMAT,
        "format_version": _FORMAT_VERSION,
        "content_hash": sample.content_hash,
        "held_out_bytes": str(sample.held_out_bytes),
        "sha256": _checksum(sample),
    }
    tensors = {"train": sample.train, "held_out": sample.held_out}
    what = f"the replay sample in '{folder}'"
    with storing(what):
        folder.mkdir(exist_ok=True)  # without its parent: the run may have been moved meanwhile
    replace_file(path, [safetensors.numpy.save(tensors, metadata)], what)


def load_sample(folder: Path, content_hash: str) -> ReplaySample:
    """The sample of a corpus, verified. Raises CorpusError where it is missing or damaged."""
    path = folder / sample_name(content_hash)
    try:
        content = read_plain_file(path, _LARGEST_FILE)
        tensors = safetensors.numpy.load(content)
        metadata = _metadata_in(content)
        if metadata.get("format_version") != _FORMAT_VERSION or set(tensors) != {"train", "held_out"}:
            raise ValueError("it is not a sample of this version")
        sample = ReplaySample(
            metadata.get("content_hash", ""),
            tensors["train"],
            tensors["held_out"],
            int(metadata.get("held_out_bytes", "")),
        )
        if sample.content_hash != content_hash or metadata.get("sha256") != _checksum(sample):
            raise ValueError("it is not what was written")
    except FileNotFoundError:
        raise CorpusError(
            f"The replay sample '{path}' is missing.", hint="It is drawn again where its text is still there."
        ) from None
    except UnreadableFileError as error:
        raise CorpusError(
            f"The replay sample {error.message}", hint="It is drawn again where its text is still there."
        ) from error
    except (ValueError, KeyError, TypeError, RecursionError, SafetensorError) as error:
        raise CorpusError(
            f"The replay sample '{path}' is damaged.",
            hint="It is drawn again where its text is still there.",
        ) from error
    return sample


def _metadata_in(content: bytes) -> dict[str, str]:
    """What a safetensors file says of itself. The library has checked its header."""
    length = int.from_bytes(content[:8], "little")
    metadata: dict[str, str] = json.loads(content[8 : 8 + length]).get("__metadata__", {})
    return metadata


def with_borders(tokens: np.ndarray) -> np.ndarray:
    """The tokens (N,) of one part of a sample with a bos between its pieces, so that no document goes on from
    one piece to the next.

    Tokens may have marks (data/loss_marks.py). A part that is kept whole is as it was, but where its length
    happens to be that of whole pieces.
    """
    if len(tokens) % PIECE_TOKENS:
        return tokens
    bos = Tokenizer.bos_id + (MARK if tokens.dtype == np.uint32 else 0)
    return np.insert(tokens, np.arange(PIECE_TOKENS, len(tokens), PIECE_TOKENS), bos)


def _pick_evenly(tokens: np.ndarray, room: int) -> np.ndarray:
    """At most `room` tokens, in pieces at equal distances, in order. Pieces begin at multiples of their
    length, so that a sample of a sample has whole pieces."""
    if len(tokens) <= room:
        return np.asarray(tokens)
    pieces = room // PIECE_TOKENS
    if not pieces:
        return np.asarray(tokens[:room])
    starts = np.arange(pieces) * (len(tokens) // PIECE_TOKENS) // pieces * PIECE_TOKENS
    return np.concatenate([tokens[start : start + PIECE_TOKENS] for start in starts])


def sample_name(content_hash: str) -> str:
    """The name of the file of a corpus's sample. Raises CorpusError for what is not a hash."""
    if not re.fullmatch(r"[\w-]+", content_hash):
        raise CorpusError(
            f"'{content_hash}' is not the hash of a corpus.", hint="Restore datasets.json from a copy."
        )
    return f"{content_hash[:16]}.safetensors"


def _checksum(sample: ReplaySample) -> str:
    """SHA-256 over the whole sample."""
    parts = [f"{part.dtype.name} {part.shape}" for part in (sample.train, sample.held_out)]
    sha256 = hashlib.sha256("\n".join((sample.content_hash, str(sample.held_out_bytes), *parts)).encode())
    for part in (sample.train, sample.held_out):
        sha256.update(np.ascontiguousarray(part).tobytes())
    return sha256.hexdigest()
