"""`rlm expand`: make a larger copy of a run with the same output."""

import dataclasses
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rlm_cli.options import JsonOption, QuietOption, RunArgument, RunsDirOption
from rlm_cli.output import Output
from rlm_cli.torch_import import import_torch
from rlm_cli.wording import in_cli_words

if TYPE_CHECKING:
    from models.growth.expand import ExpansionPlan

GROWTH_PANEL = "What grows"


def _size_option(flag: str, help: str) -> Any:
    return typer.Option(flag, metavar="N", help=f"{help}.", rich_help_panel=GROWTH_PANEL)


def expand(
    run_name: RunArgument = None,
    layers: Annotated[int | None, _size_option("--layers", "Blocks")] = None,
    l_layers: Annotated[int | None, _size_option("--l-layers", "Low-level blocks (hrm)")] = None,
    h_layers: Annotated[int | None, _size_option("--h-layers", "High-level blocks (hrm)")] = None,
    prelude: Annotated[int | None, _size_option("--prelude", "Blocks before the loop (looped)")] = None,
    core: Annotated[int | None, _size_option("--core", "Blocks in the loop (looped)")] = None,
    coda: Annotated[int | None, _size_option("--coda", "Blocks after the loop (looped)")] = None,
    loops: Annotated[int | None, _size_option("--loops", "Most loops in training")] = None,
    ff: Annotated[int | None, _size_option("--ff", "Units in each feed-forward network")] = None,
    vocab: Annotated[
        int | None, _size_option("--vocab", "Tokens of a byte-pair vocabulary; new ones come from its text")
    ] = None,
    target_params: Annotated[
        str | None,
        typer.Option(
            metavar="P",
            help="Parameters in total, such as 4M or 500k; blocks and width grow to about that.",
            rich_help_panel=GROWTH_PANEL,
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option(metavar="NEW", help="Name of the new run. Without it: RUN-grown.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan only.")] = False,
    runs_dir: RunsDirOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Make a larger copy of a run that behaves the same, ready for more training.

    Sizes are those of the copy. The old run does not change; the copy continues
    from it. The architecture decides what can grow.

    Examples:
      rlm expand book --core 2
      rlm expand book --target-params 4M --dry-run
      rlm expand book --l-layers 5 --h-layers 4 --name book-large
    """
    output = Output.of(json=json, quiet=quiet)
    sizes = {
        "layers": layers, "l-layers": l_layers, "h-layers": h_layers, "prelude": prelude, "core": core,
        "coda": coda, "loops": loops, "ff": ff, "vocab": vocab,
    }  # fmt: skip
    import_torch(output)
    from models.growth.axes import parameters_in

    target = parameters_in(target_params) if target_params is not None else None

    from rlm_cli.training_session import interruptible_creation

    with interruptible_creation(output):
        from models.growth.expand import plan_expansion
        from models.runs.run import Run
        from rlm_cli.environment import runs_dir as find_runs_dir

        folder = find_runs_dir(runs_dir)
        plan = plan_expansion(
            Run.open(run_name, folder),
            {what: size for what, size in sizes.items() if size is not None},
            target_parameters=target,
            name=name,
            runs_dir=folder,
        )
        for note in plan.notes:
            output.warn(note)
        _run_plan(plan, output, dry_run=dry_run)


def _run_plan(plan: "ExpansionPlan", output: Output, *, dry_run: bool) -> None:
    if dry_run:
        output.pairs(plan.rows())
        output.json({**plan.to_dict(), "dry_run": True})
        return
    from models.growth.grown_run import same_output_words, training_command

    run = plan.start()
    plan = dataclasses.replace(plan, name=run.name)
    change: Any = run.config().lineage[-1]["largest_logit_change"]
    output.pairs([*plan.rows(), ("checked", same_output_words(change)), ("folder", str(run.path))])
    output.json({**plan.to_dict(), "dry_run": False, "path": str(run.path), "largest_logit_change": change})
    output.say(f"\nContinue training:  {in_cli_words(training_command(run))}")
