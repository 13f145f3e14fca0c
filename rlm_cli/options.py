"""Options that several commands share.

They have no defaults: `None` means not set. The value then comes from the `--config` file, the preset,
the run's configuration, or the default, in this order. A typed value wins over the environment variable
named after the flag: `--seed` over `RLM_SEED`.

To add a setting, add a field with a docstring to TrainingConfig or a model's configuration; `--set` and
`--config` then accept it. For a flag, add a parameter to the command whose option names the field:
`env_option("--seed", setting="training.seed", …)`.
"""

from pathlib import Path
from typing import Annotated, Any

import typer

from rlm_cli.completion import (
    ARCHITECTURE_CHOICES,
    complete_architectures,
    complete_modes,
    complete_presets,
    complete_runs,
)
from rlm_cli.wording import SETTING_FLAGS

LENGTH_PANEL = "How long"
MODEL_PANEL = "Model"
TRAINING_PANEL = "Training"
WHERE_PANEL = "Where and how"


def env_option(
    *flags: str, help: str, panel: str | None = None, setting: str | None = None, **more: Any
) -> Any:
    """A typer option that also reads `RLM_<LONG FLAG>` from the environment.

    `setting` is the dotted path of the field that the flag sets.
    """
    long_flag = next(flag for flag in flags if flag.startswith("--")).split("/")[0]
    if setting is not None:
        SETTING_FLAGS[setting] = long_flag
    variable = "RLM_" + long_flag.strip("-").replace("-", "_").upper()
    return typer.Option(*flags, help=help, rich_help_panel=panel, envvar=variable, show_envvar=False, **more)


def run_argument(without: str) -> Any:
    """An optional run; `without` describes the default."""
    return typer.Argument(
        metavar="RUN",
        help=f"Name of a run or path to one. Without it: {without}.",
        autocompletion=complete_runs,
        show_default=False,
    )


def _note_runs_dir(context: typer.Context, folder: Path | None) -> Path | None:
    """Have hints repeat the folder, unless the environment names it too."""
    from rlm_cli.program import set_runs_dir

    source = context.get_parameter_source("runs_dir")
    set_runs_dir(None if getattr(source, "name", None) == "ENVIRONMENT" else folder)
    return folder


RunArgument = Annotated[str | None, run_argument("the newest")]
RunsDirOption = Annotated[
    Path | None,
    env_option(
        "--runs-dir",
        metavar="FOLDER",
        help="Folder of the runs, instead of ./runs.",
        panel=WHERE_PANEL,
        file_okay=False,
        callback=_note_runs_dir,
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print only JSON on stdout.", rich_help_panel=WHERE_PANEL)
]
QuietOption = Annotated[
    bool,
    typer.Option("--quiet", "-q", help="Print only the result.", rich_help_panel=WHERE_PANEL),
]
DetachOption = Annotated[
    bool,
    typer.Option(
        "--detach",
        "-d",
        help="Train in the background. rlm watch follows it, and rlm pause pauses it.",
        rich_help_panel=WHERE_PANEL,
    ),
]
ProcessesOption = Annotated[
    int | None,
    typer.Option(
        "--nproc",
        metavar="N",
        min=1,
        help="Processes to train with on this machine, one for each core or GPU at most.",
        rich_help_panel=WHERE_PANEL,
    ),
]
ShardOption = Annotated[
    bool,
    typer.Option(
        "--shard",
        help="Divide the model among the processes, so that it may be larger than the memory of one.",
        rich_help_panel=WHERE_PANEL,
    ),
]
TuiOption = Annotated[
    bool,
    typer.Option(
        "--tui",
        help="Train in the background, and follow it in the full-screen application.",
        rich_help_panel=WHERE_PANEL,
    ),
]
DeviceOption = Annotated[
    str | None,
    env_option(
        "--device",
        setting="training.device",
        metavar="NAME",
        help="cpu, cuda, cuda:1 or mps. Without it: the fastest available.",
        panel=WHERE_PANEL,
    ),
]
ThreadsOption = Annotated[
    int | None,
    env_option(
        "--threads",
        setting="training.threads",
        metavar="N",
        min=1,
        help="Processor threads to use.",
        panel=WHERE_PANEL,
    ),
]
SeedOption = Annotated[
    int | None,
    env_option(
        "--seed",
        setting="training.seed",
        metavar="N",
        min=0,
        help="Same seed, same result.",
        panel=TRAINING_PANEL,
    ),
]
ModeOption = Annotated[
    str | None,
    env_option(
        "--mode",
        "-m",
        metavar="MODE",
        help="How long it thinks about each token: fast, normal, deep, thorough or extreme; "
        "or auto, the best measured one. Default normal.",
        autocompletion=complete_modes,
    ),
]
WriterModeOption = Annotated[
    str | None,
    env_option(
        "--mode",
        "-m",
        metavar="MODE",
        help="How long it thinks about each token: fast, normal, deep, thorough or extreme. "
        "Default auto, the best measured mode.",
        autocompletion=complete_modes,
    ),
]
HtmlOption = Annotated[
    Path | None,
    typer.Option("--html", metavar="FILE", help="Write the result as a web page.", show_default=False),
]
ForceOption = Annotated[bool, typer.Option("--force", help="Overwrite a file that is there.")]
PresetOption = Annotated[
    str | None,
    env_option(
        "--preset",
        metavar="NAME",
        help="Named settings; `rlm create --list` shows them.",
        panel=MODEL_PANEL,
        autocompletion=complete_presets,
    ),
]
ArchitectureOption = Annotated[
    str | None,
    env_option(
        "--arch",
        "--architecture",
        setting="model.architecture",
        metavar="NAME",
        help=f"{', '.join(ARCHITECTURE_CHOICES[:-1])} or {ARCHITECTURE_CHOICES[-1]}.",
        panel=MODEL_PANEL,
        autocompletion=complete_architectures,
    ),
]
WidthOption = Annotated[
    int | None,
    env_option(
        "--d-model",
        setting="model.d_model",
        metavar="D",
        min=1,
        help="Width of the model.",
        panel=MODEL_PANEL,
    ),
]
HeadsOption = Annotated[
    int | None,
    env_option(
        "--heads", setting="model.n_heads", metavar="H", min=1, help="Attention heads.", panel=MODEL_PANEL
    ),
]
ContextOption = Annotated[
    int | None,
    env_option(
        "--context",
        setting="model.context_length",
        metavar="T",
        min=1,
        help="Tokens the model sees at once.",
        panel=MODEL_PANEL,
    ),
]
VocabularyOption = Annotated[
    int | None,
    env_option(
        "--vocab-size",
        setting="model.vocab_size",
        metavar="V",
        min=1,
        help="Size of the vocabulary.",
        panel=MODEL_PANEL,
    ),
]
TokenizerOption = Annotated[
    str | None,
    env_option(
        "--tokenizer",
        metavar="KIND or FILE",
        help="character, bpe, technical, technical:nfkc (lossy), or a tokenizer.json file.",
        panel=MODEL_PANEL,
    ),
]
MinutesOption = Annotated[
    float | None,
    env_option(
        "--minutes",
        setting="training.minutes",
        metavar="M",
        help="Wall-clock minutes in all.",
        panel=LENGTH_PANEL,
    ),
]
StepsOption = Annotated[
    int | None,
    env_option(
        "--steps", setting="training.steps", metavar="N", min=1, help="Optimizer steps.", panel=LENGTH_PANEL
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="SECTION.FIELD=VALUE",
        help="Any other setting, such as training.weight_decay=0.05. May be repeated.",
        rich_help_panel=WHERE_PANEL,
        show_default=False,
    ),
]


def _load_config_file(context: typer.Context, path: Path | None) -> Path | None:
    if path is None or context.resilient_parsing:  # shell completion needs no settings
        return path
    from rlm_cli.configuration import load_config_file

    return load_config_file(context, path)


ConfigOption = Annotated[
    Path | None,
    env_option(
        "--config",
        metavar="FILE",
        help="A TOML file of settings; typed flags win over it.",
        panel=WHERE_PANEL,
        is_eager=True,
        callback=_load_config_file,
    ),
]
