"""Asks a process of rlm for the plans of what is filled in, while somebody fills it in."""

import contextlib
import json
import subprocess
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from data.errors import RlmError
from models.runs.detached import start_attached
from tui.run_words import Row

if TYPE_CHECKING:
    from data.corpus_preview import CorpusPreview

Rows = list[Row]


@dataclass(frozen=True, slots=True)
class PlanAnswer:
    """A part of the answer to the question `id`; what is not in this part is None."""

    id: int
    progress: tuple[int, int] | None = None
    """Bytes read of the text, and of how many."""
    preview: "CorpusPreview | None" = None
    rows: Rows | None = None
    notices: tuple[str, ...] = ()
    is_draft: bool = False
    """Whether the machine has not been timed for these rows yet."""
    error: RlmError | None = None


class Planner:
    """One process that answers. It is started by the first question, and again where it has ended.

    `heard` is called with each part of an answer, in a thread. A later question ends the work on an earlier
    one.
    """

    def __init__(self, heard: Callable[[PlanAnswer], None]) -> None:
        self._heard = heard
        self._process: subprocess.Popen[bytes] | None = None
        self.last_id = 0
        """Of the last question. Answers to earlier ones count no more."""

    def ask(self, arguments: Sequence[str], *, text_only: bool = False) -> int:
        """Ask for the plan of `rlm train` with `arguments`, or only for a look at its text; returns the id of
        the answers. Raises StorageError where no process can be started."""
        self.last_id += 1
        question = {"id": self.last_id, "arguments": list(arguments), "text_only": text_only}
        line = json.dumps(question).encode() + b"\n"
        if self._process is not None and self._write(line):
            return self.last_id
        self._process = start_attached(["train-plans"])
        threading.Thread(target=self._read, args=(self._process,), daemon=True).start()
        self._write(line)
        return self.last_id

    def forget(self) -> None:
        """Have no answer to an earlier question count any more."""
        self.last_id += 1

    def close(self) -> None:
        """End the process. The next question starts another one."""
        self.forget()
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            with contextlib.suppress(OSError):
                process.stdin.close()  # type: ignore[union-attr]
            threading.Thread(target=process.wait, daemon=True).start()

    def _write(self, line: bytes) -> bool:
        """Whether the process could be asked."""
        assert self._process is not None and self._process.stdin is not None
        try:
            self._process.stdin.write(line)
            self._process.stdin.flush()
        except OSError:  # it has ended
            return False
        return True

    def _read(self, process: "subprocess.Popen[bytes]") -> None:
        last_words = ""
        assert process.stdout is not None
        with process.stdout as lines:
            for line in lines:
                try:
                    self._heard(_answer(json.loads(line)))
                except (ValueError, TypeError, KeyError):  # no answer, but a warning or a traceback
                    last_words = line.decode("utf-8", "replace").strip() or last_words
        if process is self._process:
            self._heard(
                PlanAnswer(
                    self.last_id, error=RlmError("The process that plans has ended.", hint=last_words or None)
                )
            )


def _answer(fields: dict[str, Any]) -> PlanAnswer:
    number = int(fields["id"])
    if "progress" in fields:
        done, total = fields["progress"]
        return PlanAnswer(number, progress=(done, total))
    if "preview" in fields:
        from data.corpus_preview import (
            CorpusPreview,  # with numpy, which no other part of the first screen needs
        )

        listed: dict[str, Any] = fields["preview"]
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in listed.items()
        }
        return PlanAnswer(number, preview=CorpusPreview(**values))
    if "error" in fields:
        error = RlmError(fields["error"], hint=fields["hint"], field=fields["field"])
        return PlanAnswer(number, error=error)
    is_draft = "draft" in fields
    rows = [(name, value) for name, value in fields["draft" if is_draft else "plan"]]
    return PlanAnswer(number, rows=rows, notices=tuple(fields["notices"]), is_draft=is_draft)
