"""A sample of a corpus that stays with the model, to be learned again beside later ones.

What is kept is token ids: they never move, so a sample outlives its text, its cache and the
growth of its vocabulary. One small safetensors file each, sealed by a hash over all of it.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError, safe_open

from data.errors import CorpusError
from data.storage import replace_file, storing

REPLAY_BYTES = 2_000_000
"""Of all samples of a run together."""
HELD_OUT_TOKENS = 65_536
PIECE_TOKENS = 2048
"""What is drawn in one piece: many contexts long, so that few blocks run over a joint."""

_FORMAT, _FORMAT_VERSION = "rlm-replay", "1"
_HEADER_BYTES = 1024
_SMALLEST_TRAINING_PART = 4
_LARGEST_FILE = 64 * 2**20


@dataclass(frozen=True, slots=True, eq=False)
class ReplaySample:
    """Tokens of the corpus `content_hash`: `train` (N,) to learn from again, `held_out` (M,) to
    measure on, of one unsigned type. `held_out_bytes` is what bits per byte divides by."""

    content_hash: str
    train: np.ndarray
    held_out: np.ndarray
    held_out_bytes: int


def bytes_per_sample(budget: int, number: int) -> int:
    """The bytes each of `number` samples may take."""
    return budget // max(1, number)


def draw_sample(
    content_hash: str, train: np.ndarray, held_out: np.ndarray, held_out_bytes: int, most_bytes: int
) -> ReplaySample:
    """What is kept of a corpus in `most_bytes` on the disk.

    The held-out part is kept whole up to HELD_OUT_TOKENS, beyond them in pieces, and is never
    thinned: losses are compared on it. The training part gets what is left, though never less than a
    quarter: whole where that fits, else in pieces of PIECE_TOKENS at equal distances.
    """
    kept = _spread(held_out, HELD_OUT_TOKENS)
    if len(kept) < len(held_out):
        held_out_bytes = round(held_out_bytes * len(kept) / len(held_out))
    largest = max((int(part.max()) for part in (train, kept) if len(part)), default=0)
    dtype = np.min_scalar_type(largest)
    left = most_bytes - kept.size * dtype.itemsize - _HEADER_BYTES
    room = max(left, most_bytes // _SMALLEST_TRAINING_PART) // dtype.itemsize
    return ReplaySample(content_hash, _spread(train, room).astype(dtype), kept.astype(dtype), held_out_bytes)


def thin_sample(sample: ReplaySample, most_bytes: int) -> ReplaySample:
    """The same sample in fewer bytes, still drawn evenly and in the pieces it was drawn in."""
    return draw_sample(sample.content_hash, sample.train, sample.held_out, sample.held_out_bytes, most_bytes)


def save_sample(folder: Path, sample: ReplaySample) -> None:
    """Write the sample into `folder`, whole or not at all. Raises StorageError."""
    path = folder / sample_name(sample.content_hash)
    metadata = {
        "format": _FORMAT,
        "format_version": _FORMAT_VERSION,
        "content_hash": sample.content_hash,
        "held_out_bytes": str(sample.held_out_bytes),
        "sha256": _seal(sample),
    }
    tensors = {"train": sample.train, "held_out": sample.held_out}
    what = f"the replay sample in '{folder}'"
    with storing(what):
        folder.mkdir(parents=True, exist_ok=True)
    replace_file(path, [safetensors.numpy.save(tensors, metadata)], what)


def load_sample(folder: Path, content_hash: str) -> ReplaySample:
    """The sample of a corpus, every byte checked. Raises CorpusError where it is missing or damaged."""
    path = folder / sample_name(content_hash)
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise ValueError("it is far larger than any sample")
        with safe_open(path, framework="np", backend="pread") as file:
            metadata = file.metadata() or {}
            if metadata.get("format_version") != _FORMAT_VERSION or set(file.keys()) != {"train", "held_out"}:
                raise ValueError("it is no sample of this version")
            sample = ReplaySample(
                metadata.get("content_hash", ""),
                file.get_tensor("train"),
                file.get_tensor("held_out"),
                int(metadata.get("held_out_bytes", "")),
            )
        if sample.content_hash != content_hash or metadata.get("sha256") != _seal(sample):
            raise ValueError("it is not what was written")
    except FileNotFoundError:
        raise CorpusError(
            f"The replay sample '{path}' is missing.", hint="It is drawn again where its text is still there."
        ) from None
    except OSError as error:
        raise CorpusError(
            f"The replay sample '{path}' cannot be read: {error.strerror or error}.",
            hint="It is drawn again where its text is still there.",
        ) from error
    except (ValueError, SafetensorError) as error:
        raise CorpusError(
            f"The replay sample '{path}' is damaged.",
            hint="It is drawn again where its text is still there.",
        ) from error
    return sample


def _spread(tokens: np.ndarray, room: int) -> np.ndarray:
    """At most `room` tokens from all over, in order. Pieces begin at multiples of their length,
    so that a sample of a sample is cut where the first was."""
    if len(tokens) <= room:
        return np.asarray(tokens)
    pieces = room // PIECE_TOKENS
    if not pieces:
        return np.asarray(tokens[:room])
    starts = np.arange(pieces) * (len(tokens) // PIECE_TOKENS) // pieces * PIECE_TOKENS
    return np.concatenate([tokens[start : start + PIECE_TOKENS] for start in starts])


def sample_name(content_hash: str) -> str:
    """What the file of a corpus' sample is called. Raises CorpusError for what is no hash."""
    if not re.fullmatch(r"[\w-]+", content_hash):
        raise CorpusError(
            f"'{content_hash}' is not the hash of a corpus.", hint="Restore datasets.json from a copy."
        )
    return f"{content_hash[:16]}.safetensors"


def _seal(sample: ReplaySample) -> str:
    """SHA-256 over everything a sample says."""
    parts = [f"{part.dtype.name} {part.shape}" for part in (sample.train, sample.held_out)]
    sha256 = hashlib.sha256("\n".join((sample.content_hash, str(sample.held_out_bytes), *parts)).encode())
    for part in (sample.train, sample.held_out):
        sha256.update(np.ascontiguousarray(part).tobytes())
    return sha256.hexdigest()
