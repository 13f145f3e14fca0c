"""`rlm recover-tokenizer`: check and repair the tokenizer of a run."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from data.errors import UsageError
from rlm_cli.completion import complete_runs
from rlm_cli.exit_codes import ExitCode
from rlm_cli.options import JsonOption, RunsDirOption
from rlm_cli.output import Output
from rlm_cli.program import program
from rlm_cli.run_reference import quoted_reference
from rlm_cli.text_options import EncodingOption
from rlm_cli.torch_import import import_torch

if TYPE_CHECKING:
    from collections.abc import Generator

    from data.progress import Progress
    from models.recovery.diagnose import Diagnosis
    from models.recovery.reconstruct.vocabulary import ReconstructedCharacter, Reconstruction
    from models.recovery.recover import Recovery
    from models.runs.run import Run


def recover_tokenizer(
    run_name: Annotated[
        str,
        typer.Argument(metavar="RUN", help="Name of a run or path to one.", autocompletion=complete_runs),
    ],
    check: Annotated[
        bool,
        typer.Option("--check", help="Only check. Exit code 1 if something is wrong."),
    ] = False,
    like: Annotated[
        Path | None,
        typer.Option(
            "--like",
            metavar="FILE",
            help="A text in the model's language. If no copy is left, the characters are reconstructed "
            "from it. The training text gives the exact tokenizer.",
        ),
    ] = None,
    encoding: EncodingOption = None,
    runs_dir: RunsDirOption = None,
    json: JsonOption = False,
) -> None:
    """Check the tokenizer of a run and repair it.

    It is restored from the first source that has it: the weights, a
    checkpoint, a backup, a related run, the training text. The old file
    is renamed to tokenizer.json.1, .2 and so on.

    Examples:
      rlm recover-tokenizer book --check
      rlm recover-tokenizer book
      rlm recover-tokenizer book --like another_book.txt
    """
    from models.runs.run import Run
    from rlm_cli.environment import runs_dir as find_runs_dir

    output = Output.of(json=json)
    run = Run.open(run_name, find_runs_dir(runs_dir))
    if check:
        _check(run, like, output)
        return

    import_torch(output)
    from models.recovery.recover import recover_tokenizer

    recovery = _with_stages(recover_tokenizer(run, like, encoding), output)
    output.json({"run": run.name, **recovery.to_dict()})
    _show_diagnosis(run, recovery.diagnosis, output)
    if recovery.source is None:
        if like is not None:
            output.say("Nothing to repair, so --like was not used.")
        return
    _show_repair(run, recovery, output)
    if recovery.reconstruction is not None:
        _show_reconstruction(recovery.reconstruction, output)
    elif like is not None and recovery.source != "corpus":  # that text may be the training text
        output.say("There was a copy, so --like was not used.")


def _with_stages(recovering: "Generator[Progress, None, Recovery]", output: Output) -> "Recovery":
    """Run the recovery and print the name of each stage when it begins."""
    stage = ""
    while True:
        try:
            progress = next(recovering)
        except StopIteration as end:
            recovery: Recovery = end.value
            return recovery
        if progress.stage != stage:
            stage = progress.stage
            output.say(f"{stage} …", style="dim")


def _check(run: "Run", like: Path | None, output: Output) -> None:
    """Show the diagnosis. Raises typer.Exit with code 1 if something is wrong."""
    if like is not None:
        raise UsageError("--like and --check exclude each other.", hint="Give one of them.")
    import_torch(output)
    from models.recovery.recover import check_tokenizer

    diagnosis = check_tokenizer(run)
    output.json({"run": run.name, **diagnosis.to_dict()})
    _show_diagnosis(run, diagnosis, output)
    if not diagnosis.sound:
        output.say(f"Repair it:  {program()} recover-tokenizer {quoted_reference(run)}")
        raise typer.Exit(ExitCode.FAILED)


def _show_diagnosis(run: "Run", diagnosis: "Diagnosis", output: Output) -> None:
    if diagnosis.sound:
        loss = "" if diagnosis.loss is None else f", loss {diagnosis.loss:.2f} nats per token"
        output.paragraph(f"The tokenizer of run '{run.name}' is sound: {diagnosis.tokens:,} tokens{loss}.")
    for finding in diagnosis.findings:
        output.paragraph(f"{finding.name}: {finding.sentence}")


def _show_repair(run: "Run", recovery: "Recovery", output: Output) -> None:
    verified = {
        "hash": "the hash matches",
        "travels-with-the-weights": "it is the only copy",
        "loss": "" if recovery.loss is None else f"the model's loss with it is {recovery.loss:.2f}",
    }[recovery.verified or "hash"]
    how = "Reconstructed" if recovery.source == "reconstruction" else "Restored"
    output.paragraph(f"{how} from {recovery.where}; {verified}.")
    if recovery.backup is not None:
        output.paragraph(f"The old file is now {recovery.backup.name}.")
    if recovery.renamed:
        output.paragraph("config.json named another tokenizer and now names this one.")
    if run.weights_path.is_file():
        output.say(f"Try it:  {program()} chat {quoted_reference(run)}")


def _show_reconstruction(rebuilt: "Reconstruction", output: Output) -> None:
    for note in rebuilt.notes:
        output.warn(note)
    order = "in" if rebuilt.in_order else "not in"
    output.result()
    output.table(
        ("id", "character", "confidence", "in the text"),
        [
            (str(one.id), _character(one), f"{one.confidence:.2f}", f"{one.occurrences:,}")
            for one in rebuilt.characters
        ],
        right=("id", "confidence", "in the text"),
    )
    output.result()
    output.paragraph(
        f"The characters are {order} code point order. The model's loss on the text is {rebuilt.loss:.2f} "
        f"nats per character; a bigram model has {rebuilt.bigram_loss:.2f}."
    )
    if rebuilt.uncertain:
        output.paragraph(
            f"{rebuilt.uncertain} of {len(rebuilt.characters)} are uncertain; they are placeholders."
        )


def _character(one: "ReconstructedCharacter") -> str:
    if not one.uncertain:
        return ascii(one.character) if one.character.isspace() else one.character
    return "uncertain" + ("" if one.guess is None else f", perhaps {one.guess!r}")
