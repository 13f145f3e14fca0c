"""`rlm recover-tokenizer`: gibberish, or a tokenizer.json that is broken or gone."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from data.errors import UsageError
from rlm_cli.exit_codes import ExitCode
from rlm_cli.options import JsonOption, RunsDirOption, complete_runs
from rlm_cli.output import Output

if TYPE_CHECKING:
    from models.recovery.diagnosis import Diagnosis
    from models.recovery.reconstruct import Letter, Reconstruction
    from models.recovery.recover import Recovery
    from models.runs.run import Run


def recover_tokenizer(
    run: Annotated[
        str,
        typer.Argument(metavar="RUN", help="Name of a run or path to one.", autocompletion=complete_runs),
    ],
    check: Annotated[
        bool,
        typer.Option("--check", help="Say what is wrong, change nothing; ends with 1 where something is."),
    ] = False,
    like: Annotated[
        Path | None,
        typer.Option(
            "--like",
            metavar="FILE",
            help="A text in the model's language, to reconstruct the characters where no copy is left; "
            "the text it was trained on gives the tokenizer itself.",
        ),
    ] = None,
    runs_dir: RunsDirOption = None,
    json: JsonOption = False,
) -> None:
    """Find out what is wrong with a run's tokenizer, and put it right.

    It is restored from the best source at hand: the copy in the weights, a
    checkpoint, an old file beside it, a run of the same lineage, the text it
    was trained on. The old file is kept as tokenizer.json.1, .2 and so on.

    Examples:
      rlm recover-tokenizer book --check
      rlm recover-tokenizer book
      rlm recover-tokenizer book --like another_book.txt
    """
    from models.runs.run import Run
    from rlm_cli.environment import runs_dir as find_runs_dir

    output = Output.of(json=json)
    opened = Run.open(run, find_runs_dir(runs_dir))
    if check:
        _check(opened, like, output)
        return

    from models.recovery.recover import recover_tokenizer

    recovering, stage = recover_tokenizer(opened, like), ""
    while True:
        try:
            advance = next(recovering)
        except StopIteration as end:
            recovery: Recovery = end.value
            break
        if advance.stage != stage:
            stage = advance.stage
            output.say(f"{stage} …", style="dim")
    output.json({"run": opened.name, **recovery.to_dict()})
    _show_diagnosis(opened, recovery.diagnosis, output)
    if recovery.source is None:
        if like is not None:
            output.say("Nothing had to be done, so --like was not needed.")
        return
    _show_repair(opened, recovery, output)
    if recovery.reconstruction is not None:
        _show_letters(recovery.reconstruction, output)
    elif like is not None and recovery.source != "corpus":  # it may have been that text
        output.say("There was a copy, so --like was not needed.")


def _check(run: "Run", like: Path | None, output: Output) -> None:
    """Show the diagnosis. Raises typer.Exit with 1 where it is not sound."""
    from models.recovery.recover import check_tokenizer

    if like is not None:
        raise UsageError("--like is for putting right, and --check changes nothing.", hint="Leave one out.")
    diagnosis = check_tokenizer(run)
    output.json({"run": run.name, **diagnosis.to_dict()})
    _show_diagnosis(run, diagnosis, output)
    if not diagnosis.sound:
        output.say(f"Put it right:  rlm recover-tokenizer {run.name}")
        raise typer.Exit(ExitCode.FAILED)


def _show_diagnosis(run: "Run", diagnosis: "Diagnosis", output: Output) -> None:
    if diagnosis.sound:
        loss = "" if diagnosis.loss is None else f", loss {diagnosis.loss:.2f} nats per token"
        output.result(f"The tokenizer of run '{run.name}' is sound: {diagnosis.tokens:,} tokens{loss}.")
    for finding in diagnosis.findings:
        output.result(f"{finding.name}: {finding.sentence}")


def _show_repair(run: "Run", recovery: "Recovery", output: Output) -> None:
    verified = {
        "hash": "it has the hash config.json names",
        "travels-with-the-weights": "it is the one that travels with the weights",
        "loss": "" if recovery.loss is None else f"the model's loss with it is {recovery.loss:.2f}",
    }[recovery.verified or "hash"]
    output.result(f"Put right from {recovery.where}: {verified}.")
    if recovery.backup is not None:
        output.result(f"The old file is kept as {recovery.backup.name}.")
    if recovery.renamed:
        output.result("config.json named another one, and names this one now.")
    if run.weights_path.is_file():
        output.say(f"Try it:  rlm chat {run.name}")


def _show_letters(found: "Reconstruction", output: Output) -> None:
    order = "in the order of their code points" if found.in_order else "in no order"
    output.result()
    output.table(
        ("id", "character", "confidence", "in the text"),
        [
            (str(letter.id), _character(letter), f"{letter.confidence:.2f}", f"{letter.occurrences:,}")
            for letter in found.letters
        ],
        right=("id", "confidence", "in the text"),
    )
    output.result()
    output.result(
        f"Characters are {order}; the model's loss on the text is {found.loss:.2f} nats per character, "
        f"a guess from the one before has {found.pair_loss:.2f}."
    )
    if open_letters := sum(letter.uncertain for letter in found.letters):
        output.result(
            f"The text could not settle {open_letters} of {len(found.letters)}: "
            "they are written as placeholders."
        )


def _character(letter: "Letter") -> str:
    if not letter.uncertain:
        return ascii(letter.character) if letter.character.isspace() else letter.character
    return "uncertain" + ("" if letter.guess is None else f", perhaps {letter.guess!r}")
