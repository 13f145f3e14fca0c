"""`rlm create`: a model without training."""

from typing import Annotated

import typer

from data.errors import UsageError
from rlm_cli.configuration import said_request
from rlm_cli.options import (
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
    TokenizerOption,
    VocabularyOption,
    WidthOption,
)
from rlm_cli.output import Output


def create(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Name of the new run.")] = None,
    preset: PresetOption = None,
    architecture: ArchitectureOption = None,
    d_model: WidthOption = None,
    n_heads: HeadsOption = None,
    context_length: ContextOption = None,
    vocab_size: VocabularyOption = None,
    tokenizer: TokenizerOption = None,
    seed: SeedOption = None,
    settings: SetOption = None,
    config: ConfigOption = None,  # its callback has put the file behind the other flags
    list_presets: Annotated[bool, typer.Option("--list", help="List the presets and stop.")] = False,
    runs_dir: RunsDirOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Make a model with fresh weights, without training it.

    What it costs is printed: parameters, memory, speed.

    Examples:
      rlm create --list
      rlm create tiny --preset hrm-4m --vocab-size 87
      rlm create wide --arch looped --d-model 256 --heads 8 --vocab-size 4096
      rlm create alike --preset nanogpt-cpu --tokenizer runs/book/tokenizer.json
    """
    output = Output.of(json=json, quiet=quiet)
    if list_presets:
        _list_presets(output)
        return
    if name is None:
        raise UsageError("The new run needs a name.", hint="For example: rlm create tiny --preset hrm-4m")
    dials = {
        "preset": preset, "architecture": architecture, "d_model": d_model, "n_heads": n_heads,
        "context_length": context_length, "vocab_size": vocab_size, "tokenizer": tokenizer, "seed": seed,
    }  # fmt: skip
    said = said_request(context, dials, settings)

    from rlm_cli.training_session import before_it_exists

    with before_it_exists(output):
        from models.planning.plan import CreateRequest, plan_creation
        from rlm_cli.environment import runs_dir as find_runs_dir

        plan = plan_creation(CreateRequest(name=name, **said))
        run = plan.start(find_runs_dir(runs_dir))
    output.pairs([*plan.rows(), ("folder", str(run.path))])
    output.json({"name": run.name, "path": str(run.path), **plan.to_dict()})
    output.say(f"\nTrain it:  rlm train FILE --name {run.name}")


def _list_presets(output: Output) -> None:
    from models.presets import PRESETS

    presets = sorted(PRESETS.values(), key=lambda preset: preset.name)
    output.table(
        ("preset", "architecture", "what for"),
        [(p.name, p.architecture, p.summary) for p in presets],
        spare=("architecture",),
        folded=("what for",),
    )
    output.json([{"name": p.name, "architecture": p.architecture, "summary": p.summary} for p in presets])
