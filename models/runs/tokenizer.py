"""The tokenizer of a run: its tokenizer.json, or the copy that travels inside its weights."""

import contextlib
import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from data.errors import TokenizerError
from data.storage import replace_file, storing, sync_directory
from data.tokenizer import Tokenizer, load_tokenizer_file, tokenizer_from_json
from models.errors import CheckpointError
from models.runs.checkpoint_folder import MODEL_FILE, complete_checkpoints
from models.runs.run import Run
from models.runs.run_config import RunConfig
from models.runs.weights_file import metadata_of


def load_run_tokenizer(run: Run, config: RunConfig, vocab_size: int) -> tuple[Tokenizer, str | None]:
    """The tokenizer of the run's model of `vocab_size` tokens, and a sentence for the user where it is not
    the one in tokenizer.json. No file is changed.

    Raises TokenizerError where neither the file nor a copy belongs to the model, and where copies differ
    and no recorded hash says which is right.
    """
    expected = expected_hash(config)
    remedy = f"Get it back: {{recover-tokenizer {run.in_command}}}"
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


def expected_hash(config: RunConfig) -> str | None:
    """The hash of the tokenizer a run was trained or created with, where its config.json has it."""
    in_data = config.data.tokenizer_hash if config.data is not None else None
    return in_data or config.tokenizer_hash


def original_hash(config: RunConfig) -> str | None:
    """The hash of the tokenizer that a reconstruction replaced; None where there was no reconstruction."""
    return config.data.reconstructed_from_hash if config.data is not None else None


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


def replace_tokenizer(run: Run, tokenizer: Tokenizer) -> Path | None:
    """Replace tokenizer.json by `tokenizer` in one step. Returns the backup of the old file, None where
    there was none.

    The caller holds the run's lock. Raises StorageError; the old file is then in its place or its backup.
    """
    backup = None
    with storing("the old tokenizer.json"):
        if os.path.lexists(run.tokenizer_path):
            backup = _free_name(run.tokenizer_path)
            _rename_or_link(run.tokenizer_path, backup)
            sync_directory(run.path)
    replace_file(run.tokenizer_path, [tokenizer.to_json().encode()], "the tokenizer")
    return backup


def _belongs(tokenizer: Tokenizer, expected: str | None, vocab_size: int) -> bool:
    return tokenizer.vocab_size == vocab_size and expected in (None, tokenizer.hash)


def _free_name(path: Path) -> Path:
    names = (path.with_name(f"{path.name}.{number}") for number in count(1))
    return next(name for name in names if not os.path.lexists(name))


def _rename_or_link(path: Path, backup: Path) -> None:
    """Give the file at `path` the name `backup`. A link keeps the old name too until it is replaced."""
    with contextlib.suppress(OSError):
        os.link(path, backup, follow_symlinks=False)
        return
    os.rename(path, backup)
