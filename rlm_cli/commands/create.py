"""`rlm create`: make a model without training it."""

from typing import Annotated

import typer

from data.errors import UsageError
from rlm_cli.options import (
    MODEL_PANEL,
    ArchitectureOption,
    ConfigOption,
    ContextOption,
    HeadsOption,
    JsonOption,
    PresetOption,
    QuietOption,
    RunsDirOption,
    SeedOption,
    SetOption,
    VocabularyOption,
    WidthOption,
    env_option,
)
from rlm_cli.output import Output
from rlm_cli.program import program
from rlm_cli.run_reference import new_name_flags
from rlm_cli.torch_import import import_torch


def create(
    # `read_configuration` reads the settings and request fields from the context.
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Name of the new run.")] = None,
    preset: PresetOption = None,
    architecture: ArchitectureOption = None,
    d_model: WidthOption = None,
    n_heads: HeadsOption = None,
    context_length: ContextOption = None,
    vocab_size: VocabularyOption = None,
    tokenizer: Annotated[
        str | None,
        env_option(
            "--tokenizer", metavar="FILE", help="A tokenizer.json file of another run.", panel=MODEL_PANEL
        ),
    ] = None,
    seed: SeedOption = None,
    settings: SetOption = None,
    config: ConfigOption = None,  # its callback has read the file
    list_presets: Annotated[bool, typer.Option("--list", help="List the presets.")] = False,
    runs_dir: RunsDirOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Make a model with fresh weights, without training it.

    Prints its parameters, memory and speed.

    Examples:
      rlm create --list
      rlm create tiny --preset hrm-4m --vocab-size 87
      rlm create wide --arch looped --d-model 256 --heads 8 --vocab-size 4096
      rlm create same --preset nanogpt-cpu --tokenizer runs/book/tokenizer.json
    """
    output = Output.of(json=json, quiet=quiet)
    if list_presets:
        _list_presets(output)
        return
    if name is None:
        raise UsageError("The new run needs a name.", hint="For example: {create tiny preset=hrm-4m}")

    from rlm_cli.training_session import interruptible_creation

    with interruptible_creation(output):
        import_torch(output)
        from models.planning.create import plan_creation
        from models.planning.request import CreateRequest
        from rlm_cli.configuration import read_configuration
        from rlm_cli.environment import runs_dir as find_runs_dir

        configuration = read_configuration(context, settings)
        request = CreateRequest(**configuration.fields, overrides=configuration.overrides)
        plan = plan_creation(request, find_runs_dir(runs_dir))
        for note in plan.notes:
            output.warn(note)
        run = plan.start()
    output.pairs([*plan.rows(), ("folder", str(run.path))])
    output.json({"name": run.name, "path": str(run.path), **plan.to_dict()})
    output.say(f"\nTrain it:  {program()} train FILE {new_name_flags(run.path)}")


def _list_presets(output: Output) -> None:
    from models.presets import PRESETS

    presets = sorted(PRESETS.values(), key=lambda preset: preset.name)
    output.table(
        ("preset", "architecture", "use"),
        [(p.name, p.architecture, p.summary) for p in presets],
        optional=("architecture",),
        wrap=("use",),
    )
    output.json([{"name": p.name, "architecture": p.architecture, "summary": p.summary} for p in presets])
