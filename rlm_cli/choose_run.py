"""A question on the terminal: which of the models there are is to learn a text, or a new one."""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import typer

from data.errors import RlmError
from rlm_cli import figures
from rlm_cli.exit_codes import ExitCode
from rlm_cli.output import Output, may_ask
from rlm_cli.run_reference import reference

if TYPE_CHECKING:
    from data.corpus import Corpus
    from models.planning.candidates import Candidate

Planned = TypeVar("Planned")

_MAX_TEXTS = 2  # in a row of the table


def choose_until_planned(
    plan_for: Callable[[str | None], Planned], found: "list[Candidate]", corpus: "Corpus", output: Output
) -> Planned:
    """The plan for what the user chooses. Where that run cannot take the text, the error is shown and the
    question put again: another run may, or a new model."""
    while True:
        chosen = choose_run(found, corpus, output)
        try:
            return plan_for(chosen)
        except RlmError as error:
            if chosen is None:
                raise
            output.error(error)


def choose_run(found: "list[Candidate]", corpus: "Corpus", output: Output) -> str | None:
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


def _row(one: "Candidate", corpus: "Corpus") -> tuple[str, ...]:
    summary = one.summary
    texts = [f"{name} ({figures.loss(loss)})" for name, loss in one.knows.items()]
    more = len(texts) - _MAX_TEXTS
    # One more text takes no more room than to say that there is one.
    knows = f"{', '.join(texts[:_MAX_TEXTS])} and {more} more" if more > 1 else ", ".join(texts)
    at_it = ", this text" if corpus.content_hash in one.hashes else ""
    return (
        summary.name,
        summary.architecture or "-",
        figures.count(summary.vocab_size or 0),
        figures.short_count(summary.parameters or 0),
        knows,
        f"{figures.ago(summary.modified)}{at_it}",
    )
