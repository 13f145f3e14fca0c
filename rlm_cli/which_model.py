"""Whether a text is for a model that is there already, or for a new one: said, or asked, never guessed."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import typer

from data.errors import RlmError, UsageError
from rlm_cli import figures
from rlm_cli.exit_codes import ExitCode
from rlm_cli.output import Output, may_ask
from rlm_cli.run_reference import reference, typed

if TYPE_CHECKING:
    from data.corpus import Corpus
    from models.planning.candidates import Candidate

Planned = TypeVar("Planned")

_NAMED = 3  # in an error
_TEXTS = 2  # in a row of the table


def require_said(found: "list[Candidate]") -> None:
    """Raise UsageError where there are models, and nobody who could be asked which is meant."""
    if not found:
        return
    names = [one.summary.name for one in found]
    there_are = ", ".join(names[:_NAMED]) + (" and others" if len(names) > _NAMED else "")
    raise UsageError(
        f"There are models that could go on with this text: {there_are}.",
        hint=f"Say which is meant: --continue {typed(found[0].summary)}, or --fresh for a new model.",
    )


def ask_until_planned(
    plan_for: Callable[[str | None], Planned], found: "list[Candidate]", corpus: "Corpus", output: Output
) -> Planned:
    """The plan for what is answered. Where that run cannot take the text as it was asked for, it is said
    why, and asked again: another may, or a new model."""
    while True:
        chosen = ask_which(found, corpus, output)
        try:
            return plan_for(chosen)
        except RlmError as error:
            if chosen is None:
                raise
            output.error(error)


def ask_which(found: "list[Candidate]", corpus: "Corpus", output: Output) -> str | None:
    """What `Run.open` finds the run by that the user wants to go on; None for a new model.

    Ends the command where they want neither.
    """
    from models.planning.candidates import suited_first

    suited = suited_first(found, corpus.content_hash)
    output.table(
        ("", "model", "architecture", "vocabulary", "parameters", "knows (loss)", "trained"),
        [(str(number), *_row(one, corpus)) for number, one in enumerate(suited, start=1)],
        right=("", "vocabulary", "parameters"),
        spare=("vocabulary", "architecture", "parameters", "trained", "knows (loss)"),
        folded=("model", "knows (loss)"),
        to_stderr=True,
    )
    models = f"1 for {suited[0].summary.name}" if len(suited) == 1 else f"1 to {len(suited)} or a name"
    choices = f"{models}, n for a new model, Enter to change nothing:"
    by_name = {one.summary.name: one for one in suited}
    output.say(f"\nWhich model is to learn {corpus.name}?")
    while True:
        answer = output.ask(choices)
        if not answer:
            output.say("Nothing was changed.")
            raise typer.Exit(ExitCode.OK)
        if answer.lower() in ("n", "new"):
            return None
        if answer.isascii() and answer.isdigit() and 1 <= int(answer) <= len(suited):
            return reference(suited[int(answer) - 1].summary)
        if answer in by_name:
            return reference(by_name[answer].summary)


def is_anyone_there(output: Output) -> bool:
    """Whether a question would reach a person."""
    return may_ask() and not output.is_json and not output.is_quiet


def models_in(folder: Path) -> "list[Candidate]":
    """The models that could go on with a text."""
    from models.planning.candidates import candidates

    return candidates(folder)


def _row(one: "Candidate", corpus: "Corpus") -> tuple[str, ...]:
    summary = one.summary
    texts = [f"{name} ({figures.loss(loss)})" for name, loss in one.knows.items()]
    more = len(texts) - _TEXTS
    # One more text takes no more room than to say that there is one.
    knows = f"{', '.join(texts[:_TEXTS])} and {more} more" if more > 1 else ", ".join(texts)
    at_it = ", this text" if corpus.content_hash in one.hashes else ""
    return (
        summary.name,
        summary.architecture or "-",
        figures.count(summary.vocab_size or 0),
        figures.short_count(summary.parameters or 0),
        knows,
        f"{figures.ago(summary.modified)}{at_it}",
    )
