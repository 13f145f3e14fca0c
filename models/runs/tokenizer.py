"""The tokenizer of a run: its tokenizer.json, or the copy that travels inside its weights."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from data.errors import TokenizerError
from data.tokenizer import Tokenizer, load_tokenizer_file, tokenizer_from_json
from models.runs.checkpoint_folder import MODEL_FILE, complete_checkpoints
from models.errors import CheckpointError
from models.runs.run import Run
from models.runs.weights_file import metadata_of


def load_run_tokenizer(run: Run, config: Mapping[str, Any], vocab_size: int) -> tuple[Tokenizer, str | None]:
    """The tokenizer that belongs to the run's model of `vocab_size`, and a sentence for the user
    where it is not the one in tokenizer.json. No file is changed.

    Raises TokenizerError where neither the file nor a copy belongs to the model, and where no hash is
    recorded that tells copies apart which differ.
    """
    expected = expected_hash(config)
    remedy = f"Get it back: rlm recover-tokenizer {run.name}"
    try:
        tokenizer = load_tokenizer_file(run.tokenizer_path)
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
        what = "cannot be used" if os.path.lexists(run.tokenizer_path) else "is missing"
    copies = {copy.hash: copy for _, copy in copies_inside(run) if _belongs(copy, expected, vocab_size)}
    if len(copies) == 1:
        return next(iter(copies.values())), (
            f"The tokenizer.json of run '{run.name}' {what}; the copy in its weights is used. {remedy}"
        )
    if copies:
        raise TokenizerError(
            f"The tokenizer.json of run '{run.name}' {what}, and the copies in its weights differ.",
            hint=remedy,
        )
    raise problem


def expected_hash(config: Mapping[str, Any]) -> str | None:
    """The hash of the tokenizer a run was trained with, where its config.json tells."""
    known = config.get("data", {}).get("tokenizer_hash", config.get("tokenizer_hash"))
    return known if isinstance(known, str) and known else None


def original_hash(config: Mapping[str, Any]) -> str | None:
    """The hash of the tokenizer that a reconstruction stands in for; None where none does."""
    known = config.get("data", {}).get("reconstructed_from_hash")
    return known if isinstance(known, str) and known else None


def copies_inside(run: Run) -> Iterator[tuple[Path, Tokenizer]]:
    """The tokenizers that travel in the metadata of the run's weights files, and each of these files:
    the kept weights, then the checkpoints, the newest first. Nothing else of them is read."""
    try:
        checkpoints = complete_checkpoints(run.checkpoints_path)
    except CheckpointError:
        checkpoints = []
    for path in (run.weights_path, *(checkpoint.path / MODEL_FILE for checkpoint in checkpoints)):
        with contextlib.suppress(TokenizerError):
            if text := metadata_of(path).get("tokenizer"):
                yield path, tokenizer_from_json(text)


def _belongs(tokenizer: Tokenizer, expected: str | None, vocab_size: int) -> bool:
    return tokenizer.vocab_size == vocab_size and expected in (None, tokenizer.hash)
