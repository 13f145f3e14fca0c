"""Whether a text is for a model that is there already, or for a new one: said, or asked, never guessed."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from data.errors import UsageError
from rlm_cli import figures
from rlm_cli.exit_codes import ExitCode
from rlm_cli.output import Output, may_ask

if TYPE_CHECKING:
    from data.corpus import Corpus
    from models.training.continual.candidates import Candidate

_NAMED = 3  # in an error


def require_said(found: "list[Candidate]") -> None:
    """Raise UsageError where there are models, and nobody who could be asked which is meant."""
    if not found:
        return
    names = [one.summary.name for one in found]
    there_are = ", ".join(names[:_NAMED]) + (" and others" if len(names) > _NAMED else "")
    raise UsageError(
        f"There are models that could go on with this text: {there_are}.",
        hint=f"Say which is meant: --continue {names[0]}, or --fresh for a new model.",
    )


def ask_which(found: "list[Candidate]", corpus: "Corpus", output: Output) -> str | None:
    """The name of the run that the user wants to go on; None for a new model.

    Ends the command where they want neither.
    """
    from models.training.continual.candidates import suited_first

    suited = suited_first(found, corpus.content_hash)
    output.table(
        ("", "model", "architecture", "vocabulary", "parameters", "knows (loss)", "trained"),
        [(str(number), *_row(one, corpus)) for number, one in enumerate(suited, start=1)],
        right=("", "vocabulary", "parameters"),
        spare=("vocabulary", "architecture", "trained"),
        to_stderr=True,
    )
    choices = "1" if len(suited) == 1 else f"1 to {len(suited)}"
    question = f"\nWhich goes on with {corpus.name}? {choices}, or n for a new model (Enter: none of it)."
    while True:
        answer = output.ask(question)
        if not answer:
            output.say("Nothing was changed.")
            raise typer.Exit(ExitCode.OK)
        if answer.lower() in ("n", "new"):
            return None
        if answer.isascii() and answer.isdigit() and 1 <= int(answer) <= len(suited):
            return suited[int(answer) - 1].summary.name
        question = f"{choices}, or n?"


def is_anyone_there(output: Output) -> bool:
    """Whether a question would reach a person."""
    return may_ask() and not output.is_json and not output.is_quiet


def models_in(folder: Path) -> "list[Candidate]":
    """The models that could go on with a text."""
    from models.training.continual.candidates import candidates

    return candidates(folder)


def _row(one: "Candidate", corpus: "Corpus") -> tuple[str, ...]:
    summary = one.summary
    knows = ", ".join(f"{name} ({figures.loss(loss)})" for name, loss in one.knows.items())
    at_it = ", this text" if corpus.content_hash in one.hashes else ""
    return (
        summary.name,
        summary.architecture or "-",
        figures.count(summary.vocab_size or 0),
        figures.short_count(summary.parameters or 0),
        knows,
        f"{figures.ago(summary.modified)}{at_it}",
    )
