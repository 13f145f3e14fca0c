"""Where prepared data is kept between runs. Everything in there can be made again."""

import os
from pathlib import Path

import platformdirs

from data.errors import RlmError


def cache_dir(explicit: str | Path | None = None) -> Path:
    """The cache folder, made if need be: explicit, else RLM_CACHE_DIR, else the system's place.

    Raises RlmError where it cannot be written.
    """
    named = explicit or os.environ.get("RLM_CACHE_DIR")
    folder = Path(named) if named else Path(platformdirs.user_cache_dir("rlm", appauthor=False))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RlmError(
            f"The cache folder '{folder}' cannot be made: {error.strerror}.",
            hint="Set RLM_CACHE_DIR to a folder you can write to.",
        ) from error
    return folder.resolve()


def not_writable(folder: Path, error: OSError) -> RlmError:
    """What to tell the user when writing into the cache fails."""
    return RlmError(
        f"Writing to the cache folder '{folder}' failed: {error.strerror or error}.",
        hint="Make room there, or set RLM_CACHE_DIR to a folder on another disk.",
    )
