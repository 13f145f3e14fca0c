"""`rlm train-plans`: what the form of the application starts to see the plans of what is filled in."""

import dataclasses
import json
import os
import sys
import threading
from collections.abc import Generator
from contextlib import closing
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

import typer

from data.errors import RlmError, UsageError
from models.torch_import import import_torch
from rlm_cli.commands.train import train
from rlm_cli.output import write
from rlm_cli.plan_training import train_request
from rlm_cli.usage_errors import usage_error

if TYPE_CHECKING:
    from pathlib import Path

    from data.corpus import Corpus
    from models.planning.request import TrainRequest

Answer = dict[str, Any]


def train_plans() -> None:
    """Answer each line of standard input, the arguments of a rlm train, with lines of JSON.

    A line is {"id": 1, "arguments": [...]}, with "text_only" where no plan is wanted. Each answer has its
    id. They are "progress" while a text is read, "preview", "draft" and "plan" with rows, or "error".
    A newer line ends the work on an older one, and the end of the input ends the process.
    """
    questions, planner = _Newest(), _Planner()
    while True:
        question = questions.take()
        with closing(planner.answers(question)) as answers:
            for answer in answers:
                if answer:
                    write(json.dumps({"id": question["id"], **answer}) + "\n")
                if questions.has_newer:
                    break


class _Newest:
    """The lines of standard input, read in a thread. Of those that wait, only the newest is taken."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._newest: dict[str, Any] | None = None
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def has_newer(self) -> bool:
        return self._newest is not None

    def take(self) -> dict[str, Any]:
        """The newest line, once there is one."""
        with self._condition:
            while self._newest is None:
                self._condition.wait()
            taken, self._newest = self._newest, None
        return taken

    def _read(self) -> None:
        for line in sys.stdin:
            question = json.loads(line)
            with self._condition:
                self._newest = question
                self._condition.notify()
        # Python's own way out waits for what torch is at. A plan leaves nothing half written that counts.
        os._exit(0)


class _Planner:
    """Answers questions. A text is read again only when one of its files has changed."""

    def __init__(self) -> None:
        application = typer.Typer()
        application.command()(train)
        self._command = typer.main.get_command(application)
        self._corpora: dict[object, Corpus] = {}
        self._is_loading = False

    def answers(self, question: dict[str, Any]) -> Generator[Answer, None, None]:
        """The answers to one question, and between them empty ones wherever it may be left."""
        try:
            context: Any = self._command.make_context("train", list(question["arguments"]))
            yield from self._of_request(context, text_only=bool(question.get("text_only")))
        except typer.TyperException as error:
            yield _refused(_of_field(error))
        except RlmError as error:
            yield _refused(error)

    def _of_request(self, context: typer.Context, *, text_only: bool) -> Generator[Answer, None, None]:
        from data.corpus_preview import preview_corpus
        from data.progress import convert_yields
        from rlm_cli.environment import runs_dir

        request, folder = train_request(context), runs_dir(context.params["runs_dir"])
        self._load_planning()
        try:
            corpus = yield from self._corpus(request)
        except RlmError as error:
            yield _refused(error, field="paths")
            return
        look = yield from convert_yields(preview_corpus(corpus), lambda _: Answer())
        yield {"preview": dataclasses.asdict(look)}
        if not text_only:
            yield from self._planned(request, folder, corpus)

    def _planned(
        self, request: "TrainRequest", folder: "Path", corpus: "Corpus"
    ) -> Generator[Answer, None, None]:
        from data.progress import convert_yields
        from models.planning.plan import plan
        from models.runs.events import Event, NoticeGiven, PlanDrafted

        notices: list[str] = []

        def answer(event: Event) -> Answer:
            if isinstance(event, NoticeGiven):
                notices.append(event.message)
            if isinstance(event, PlanDrafted):
                return {"draft": list(event.rows.items()), "notices": notices}
            return {}

        made = yield from convert_yields(plan(request, folder, corpus), answer)
        yield {"plan": made.rows(), "notices": notices}

    def _load_planning(self) -> None:
        """Import what plans, and torch with it, in a thread: it takes seconds, and a text is shown before."""
        if not self._is_loading:
            self._is_loading = True
            threading.Thread(target=_import_planning, daemon=True).start()

    def _corpus(self, request: "TrainRequest") -> Generator[Answer, None, "Corpus"]:
        from data.corpus import scan_corpus
        from data.progress import convert_yields
        from data.source_files import find_source_files

        paths, reading = request.paths, (request.encodings, request.filter_names)
        files, _ = find_source_files(paths)
        key = (paths, reading, tuple((str(file.path), _mark(file.path)) for file in files))
        if key not in self._corpora:
            corpus = yield from convert_yields(
                scan_corpus(paths, *reading), lambda at: {"progress": [at.done, at.total]}
            )
            self._corpora = {key: corpus}
        return self._corpora[key]


def _import_planning() -> None:
    import_torch()
    import_module("models.planning.plan")


def _mark(path: os.PathLike[str]) -> tuple[int, int] | None:
    """What changes with the content of a file."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def _of_field(error: typer.TyperException) -> UsageError:
    """An error of the parser about a field: it begins with the name of the field, and not with its flag."""
    message, parameter = usage_error(error).message, cast(Any, getattr(error, "param", None))
    if parameter is None:
        return UsageError(message)
    for flag in parameter.opts:
        if message.startswith(f"{flag} "):
            message = f"{parameter.name} {message.removeprefix(f'{flag} ')}"
    return UsageError(message, field=parameter.name)


def _refused(error: RlmError, field: str | None = None) -> Answer:
    return {"error": error.message, "hint": error.hint, "field": error.field or field}
