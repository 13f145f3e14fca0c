"""The tokenizer of a run: its tokenizer.json, or the copy that travels inside its weights."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from data.errors import TokenizerError
from data.tokenizer import Tokenizer, load_tokenizer, tokenizer_from_json
from models.checkpoint_folder import MODEL_FILE, newest_checkpoint
from models.run import Run
from models.weights_file import metadata_of


def load_run_tokenizer(run: Run, config: Mapping[str, Any], vocab_size: int) -> tuple[Tokenizer, str | None]:
    """The tokenizer that belongs to the run's model of `vocab_size`, and a sentence for the user
    where it is not the one in tokenizer.json. No file is changed.

    Raises TokenizerError where neither the file nor a copy belongs to the model.
    """
    expected = expected_hash(config)
    remedy = f"Get it back: rlm recover-tokenizer {run.name}"
    try:
        tokenizer = load_tokenizer(run.tokenizer_path)
        if _belongs(tokenizer, expected, vocab_size):
            return tokenizer, None
        problem = TokenizerError(
            f"The tokenizer.json of run '{run.name}' ({tokenizer.vocab_size} tokens) is not the one its "
            f"model ({vocab_size} tokens) was trained with.",
            hint=remedy,
        )
        what = "is not the one it was trained with"
    except TokenizerError as error:
        problem = TokenizerError(error.message, hint=remedy)
        what = "cannot be used" if run.tokenizer_path.exists() else "is missing"
    for text in _copies(run):
        try:
            copy = tokenizer_from_json(text)
        except TokenizerError:
            continue
        if _belongs(copy, expected, vocab_size):
            return copy, (
                f"The tokenizer.json of run '{run.name}' {what}; the copy in its weights is used. {remedy}"
            )
    raise problem


def expected_hash(config: Mapping[str, Any]) -> str | None:
    """The hash of the tokenizer a run was trained with, where its config.json tells."""
    known = config.get("data", {}).get("tokenizer_hash", config.get("tokenizer_hash"))
    return known if isinstance(known, str) and known else None


def copy_inside(path: Path) -> str | None:
    """The tokenizer.json that travels in the metadata of a weights file, nothing else of it read."""
    return metadata_of(path).get("tokenizer") or None


def _belongs(tokenizer: Tokenizer, expected: str | None, vocab_size: int) -> bool:
    return tokenizer.vocab_size == vocab_size and expected in (None, tokenizer.hash)


def _copies(run: Run) -> Iterator[str]:
    """What the weights hold as their tokenizer, the kept ones first, then the newest checkpoint's."""
    newest = newest_checkpoint(run.checkpoints_path)
    for path in (run.weights_path, *([newest.path / MODEL_FILE] if newest is not None else [])):
        if text := copy_inside(path):
            yield text
