"""`rlm export` and `rlm import`: a run as a folder that other programs load, and back."""

import shlex
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from data.errors import UsageError
from data.wording import byte_size, counted
from rlm_cli.completion import complete_runs
from rlm_cli.options import JsonOption, QuietOption, RunsDirOption, WriterModeOption
from rlm_cli.output import Output
from rlm_cli.program import program
from rlm_cli.run_reference import quoted_reference
from rlm_cli.torch_import import import_torch


class Form(StrEnum):
    """What a run can be exported as."""

    HF = "hf"


def export(
    run_name: Annotated[
        str, typer.Argument(metavar="RUN", help="Name of a run or path to one.", autocompletion=complete_runs)
    ],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder to write.")],
    to: Annotated[Form, typer.Option("--to", help="hf: the form of Hugging Face transformers.")] = Form.HF,
    mode: WriterModeOption = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier export.")] = False,
    push: Annotated[
        bool, typer.Option("--push", help="Send the folder to the Hugging Face hub, where it is private.")
    ] = False,
    repository: Annotated[
        str | None,
        typer.Option("--repository", metavar="OWNER/NAME", help="Where --push sends it. Without it: FOLDER."),
    ] = None,
    runs_dir: RunsDirOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Write a run as a folder that transformers loads without rlm.

    It has the best weights, the tokenizer with its chat template, the code
    of the model, and a card with what was measured. --mode is the depth
    where a caller of the model gives none.

    Examples:
      rlm export book --to hf book-hf
      rlm export book --to hf book-hf --mode deep --force
    """
    from rlm_cli.training_session import interruptible_creation

    output = Output.of(json=json, quiet=quiet)
    if repository is not None and not push:
        raise UsageError("--repository says where --push sends the folder, and there is no --push.")
    with interruptible_creation(output):
        import_torch(output)
        from models.export.export_folder import export_run
        from models.runs.run import Run
        from rlm_cli.environment import runs_dir as find_runs_dir

        run = Run.open(run_name, find_runs_dir(runs_dir))
        command = f"rlm export {shlex.quote(run.name)} --to {to} {shlex.quote(folder.name)}"
        command += f" --mode {shlex.quote(mode)}" if mode else ""
        written = export_run(run, folder, mode=mode or "auto", force=force, command=command)
    for note in written["notes"]:
        output.warn(note)
    output.pairs(
        [
            ("folder", written["path"]),
            ("weights", counted(written["parameters"], "parameter")),
            ("size", f"{byte_size(written['size_bytes'])} in {counted(len(written['files']), 'file')}"),
            ("mode", written["mode"]),
        ]
    )
    if push:
        from models.export.upload import push_folder

        written["address"] = push_folder(Path(written["path"]), repository)
        output.pairs([("address", written["address"])])
    output.json(written)
    output.say(
        "\nUse it:  AutoModelForCausalLM.from_pretrained(FOLDER, trust_remote_code=True)\n"
        f"Make it a run again:  {program()} import {shlex.quote(str(folder))}"
    )


def import_(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder that rlm export wrote.")],
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="Name of the new run. Without it: as it was.")
    ] = None,
    runs_dir: RunsDirOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Make a run of an exported folder.

    The weights are those of the folder, bit for bit, and the tokenizer and
    the evaluation too. Code in the folder is compared and never executed.

    Examples:
      rlm import book-hf
      rlm import book-hf --name book-again
    """
    from rlm_cli.training_session import interruptible_creation

    output = Output.of(json=json, quiet=quiet)
    with interruptible_creation(output):
        import_torch(output)
        from models.export.import_folder import import_run
        from rlm_cli.environment import runs_dir as find_runs_dir

        made = import_run(folder, find_runs_dir(runs_dir), name)
    for note in made.notes:
        output.warn(note)
    loss = None if made.evaluation is None else made.evaluation.validation_loss
    rows = [("run", made.run.name), ("folder", str(made.run.path))]
    output.pairs([*rows, *([] if loss is None else [("loss", f"{loss:.4f} on text that was held out")])])
    output.json(
        {"name": made.run.name, "path": str(made.run.path), "validation_loss": loss, "notes": made.notes}
    )
    output.say(f"\nTalk to it:  {program()} chat {quoted_reference(made.run)}")
