"""Asks on the terminal which model should learn a text: an existing one or a new one."""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import typer

from data.errors import RlmError
from data.format import format_age, format_count, format_loss, format_short_count
from rlm_cli.exit_codes import ExitCode
from rlm_cli.output import Output
from rlm_cli.run_reference import reference
from rlm_cli.streams import may_ask

if TYPE_CHECKING:
    from data.corpus import Corpus
    from models.planning.candidates import Candidate

PlanType = TypeVar("PlanType")

_MAX_TEXTS = 2  # texts shown in a row of the table


def choose_until_planned(
    plan_for: Callable[[str | None], PlanType],
    candidates: "list[Candidate]",
    corpus: "Corpus",
    output: Output,
) -> PlanType:
    """The plan for the run that the user chooses. If that run cannot learn the text, show the error and
    ask again."""
    while True:
        chosen = choose_run(candidates, corpus, output)
        try:
            return plan_for(chosen)
        except RlmError as error:
            if chosen is None:
                raise
            output.error(error)


def choose_run(candidates: "list[Candidate]", corpus: "Corpus", output: Output) -> str | None:
    """The reference of the run that the user chooses, or None for a new model.

    Ends the command if the user cancels.
    """
    from models.planning.candidates import suited_first

    ordered = suited_first(candidates, corpus.content_hash)
    output.table(
        ("", "model", "architecture", "vocabulary", "parameters", "knows (validation loss)", "trained"),
        [(str(number), *_row(one, corpus)) for number, one in enumerate(ordered, start=1)],
        right=("", "vocabulary", "parameters"),
        optional=("vocabulary", "architecture", "parameters", "trained", "knows (validation loss)"),
        wrap=("model", "knows (validation loss)"),
        to_stderr=True,
    )
    models = f"1 for {ordered[0].summary.name}" if len(ordered) == 1 else f"1 to {len(ordered)} or a name"
    choices = f"{models}, n for a new one, Enter to cancel:"
    by_name = {one.summary.name: one for one in ordered}
    output.say(f"\nWhich model should learn {corpus.name}?")
    while True:
        answer = output.ask(choices)
        if not answer:
            output.say("Nothing was changed.")
            raise typer.Exit(ExitCode.OK)
        if answer.lower() in ("n", "new"):
            return None
        if answer.isascii() and answer.isdigit() and 1 <= int(answer) <= len(ordered):
            return reference(ordered[int(answer) - 1].summary)
        if answer in by_name:
            return reference(by_name[answer].summary)


def can_ask_user(output: Output) -> bool:
    """Whether a question can be asked and answered."""
    return may_ask() and not output.is_json and not output.is_quiet


def _row(one: "Candidate", corpus: "Corpus") -> tuple[str, ...]:
    summary = one.summary
    texts = [f"{name} ({format_loss(loss)})" for name, loss in one.knows.items()]
    more = len(texts) - _MAX_TEXTS
    # "and 1 more" would take as much space as the text itself.
    knows = f"{', '.join(texts[:_MAX_TEXTS])} and {more} more" if more > 1 else ", ".join(texts)
    this_text = ", this text" if corpus.content_hash in one.hashes else ""
    return (
        summary.name if summary.status == "finished" else f"{summary.name} ({summary.status})",
        summary.architecture or "-",
        format_count(summary.vocab_size or 0),
        format_short_count(summary.parameters or 0),
        knows,
        f"{format_age(summary.modified)}{this_text}",
    )
