"""Reading the small files of a run: plain ones only, and none larger than it may be."""

import json
from pathlib import Path
from typing import Any

from data.plain_file import UnreadableFileError, read_plain_file
from models.errors import RunError


def read_bounded(path: Path, limit: int) -> bytes:
    """The content of a plain file of at most `limit` bytes.

    Raises FileNotFoundError, or RunError for a link, a device, a larger file, and one that may not be read.
    """
    try:
        return read_plain_file(path, limit)
    except UnreadableFileError as error:
        raise RunError(error.message) from error


def read_json(path: Path, limit: int, hint: str | None = None) -> Any:
    """The value in a JSON file of at most `limit` bytes.

    Raises as `read_bounded`, and RunError with `hint` where the file is not JSON.
    """
    content = read_bounded(path, limit)
    try:
        return json.loads(content.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError) as error:
        raise RunError(f"'{path}' is damaged: it is not JSON.", hint=hint) from error
