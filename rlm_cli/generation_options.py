"""Options of `rlm generate` and `rlm chat`, and the settings they give."""

import shlex
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from data.errors import UsageError
from models.depth import AUTO_MODE
from models.generation.run_defaults import load_writer, resolve_mode, run_settings
from rlm_cli.options import WHERE_PANEL, env_option
from rlm_cli.output import Output
from rlm_cli.program import program, runs_dir_flag
from rlm_cli.torch_import import import_torch

if TYPE_CHECKING:
    from models.generation.settings import GenerationConfig
    from models.runs.load import LoadedModel
    from models.runs.run import Run

SAMPLING_PANEL = "How it writes"
_MAX_THREADS = 1024

PromptArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[TEXT]", help="A prompt for RUN.", show_default=False)
]
TemperatureOption = Annotated[
    float | None,
    env_option(
        "--temp",
        "-t",
        "--temperature",
        metavar="T",
        help="0 always takes the likeliest token; higher is more varied. Default 0.8.",
        panel=SAMPLING_PANEL,
    ),
]
MaxTokensOption = Annotated[
    int | None,
    env_option(
        "--max-tokens", metavar="N", help="Longest answer, in tokens. Default 256.", panel=SAMPLING_PANEL
    ),
]
TopKOption = Annotated[
    int | None,
    env_option(
        "--top-k",
        metavar="K",
        help="Sample among the K likeliest tokens. Default 0: off.",
        panel=SAMPLING_PANEL,
    ),
]
TopPOption = Annotated[
    float | None,
    env_option(
        "--top-p",
        metavar="P",
        help="Sample among the fewest tokens that hold P of the probability. Default 0.95; 1 is off.",
        panel=SAMPLING_PANEL,
    ),
]
MinPOption = Annotated[
    float | None,
    env_option(
        "--min-p",
        metavar="P",
        help="Drop tokens below this share of the likeliest one's probability. Default 0: off.",
        panel=SAMPLING_PANEL,
    ),
]
PenaltyOption = Annotated[
    float | None,
    env_option(
        "--penalty",
        metavar="X",
        help="Above 1, tokens already used become less likely. Default 1: off.",
        panel=SAMPLING_PANEL,
    ),
]
NgramOption = Annotated[
    int | None,
    env_option(
        "--ngram",
        metavar="N",
        help="Never repeat this many tokens in a row. Default 0: off.",
        panel=SAMPLING_PANEL,
    ),
]
StopOption = Annotated[
    list[str] | None,
    typer.Option(
        "--stop",
        metavar="TEXT",
        help=r"End before this text; \n is a new line. May be repeated.",
        rich_help_panel=SAMPLING_PANEL,
        show_default=False,
    ),
]
NaturalOption = Annotated[
    bool,
    typer.Option("--natural", help="End after the first sentence.", rich_help_panel=SAMPLING_PANEL),
]
HaltOption = Annotated[
    bool | None,
    typer.Option(
        "--halt/--no-halt",
        help="Stop recursing on a token once the model is sure enough.",
        rich_help_panel=SAMPLING_PANEL,
        show_default=False,
    ),
]
HaltThresholdOption = Annotated[
    float | None,
    env_option(
        "--halt-threshold",
        metavar="P",
        help="How sure, 0 to 1; higher thinks longer. Implies --halt.",
        panel=SAMPLING_PANEL,
    ),
]
WriterSeedOption = Annotated[
    int | None, env_option("--seed", metavar="N", help="Same seed, same text.", panel=SAMPLING_PANEL)
]  # fmt: skip
WriterDeviceOption = Annotated[
    str | None,
    env_option(
        "--device",
        metavar="NAME",
        help="cpu, cuda or mps. Default cpu, the fastest for a small model.",
        panel=WHERE_PANEL,
    ),
]


def resolve_settings(
    run: "Run",
    *,
    mode: str | None,
    natural: bool,
    halt: bool | None,
    stop: list[str] | None,
    conversation: Mapping[str, Any] | None = None,
    **typed: Any,
) -> tuple[str, "GenerationConfig"]:
    """Mode and settings. A typed value wins over the saved `conversation`, that over the run's
    generation_config.json, and that over the default.

    `typed` holds fields of GenerationConfig; None means not typed. Needs no torch, so that a mistake
    is reported at once. Raises UsageError, and RunError if the file is damaged.
    """
    from models.generation.settings import GenerationConfig

    merged = {**run_settings(run), **(conversation or {})}
    saved_mode = str(merged.pop("mode", AUTO_MODE))
    chosen_mode = mode if mode is not None else saved_mode
    chosen_mode = resolve_mode(run, chosen_mode)
    merged.update({name: value for name, value in typed.items() if value is not None})
    if natural:
        merged["natural_stop"] = True
    if halt is False and typed.get("halt_threshold") is not None:
        raise UsageError("--no-halt and --halt-threshold exclude each other.", hint="Give one of them.")
    if halt is not None or typed.get("halt_threshold") is not None:
        merged["halt"] = halt is not False
    if stop is not None:
        merged["stop"] = [text.replace("\\n", "\n").replace("\\t", "\t") for text in stop]
    return chosen_mode, GenerationConfig.from_dict(merged)


def check_threads(threads: int | None) -> None:
    """Raise UsageError for a number of threads that would crash torch."""
    if threads is not None and threads > _MAX_THREADS:
        raise UsageError(f"--threads is {threads}; it must be at most {_MAX_THREADS}.")


def refuse_system(run: "Run") -> None:
    """Raise UsageError if the run was not trained on conversations."""
    data = run.config().data
    if data is not None and data.kind != "messages":
        raise UsageError(f"Run '{run.name}' continues text and takes no instructions.")


def open_run(name: str | None, folder: Path | None) -> "Run":
    """The run `name`, or the newest without a name."""
    from models.runs.run import Run
    from rlm_cli.environment import runs_dir

    return Run.open(name, runs_dir(folder))


def run_and_prompt(
    name: str | None, words: list[str] | None, folder: Path | None, output: Output
) -> "tuple[Run, str | None]":
    """The run `name`, or the newest without a name, and the prompt in `words`.

    Text that cannot be the name of a run is the prompt itself, for the newest run. Raises UsageError,
    RunError.
    """
    from models.runs.run_names import NAME

    try:
        return open_run(name, folder), " ".join(words) if words else None
    except UsageError as error:
        if name is None:
            raise
        if words or NAME.fullmatch(name) or not any(map(str.isspace, name)):
            text = shlex.quote(" ".join([name, *(words or [])]))
            hint = (
                f"{error.hint or ''}\nFor a prompt: {program()} generate{runs_dir_flag()} -p {text}".strip()
            )
            raise UsageError(error.message, hint=hint) from error
    run = open_run(None, folder)
    output.say(f"'{name}' is no run; it is the prompt for the newest run, {run.name}.", style="dim")
    return run, name


def load_model(
    run: "Run", device: str | None, threads: int | None, output: Output, *, texts: int = 1
) -> "LoadedModel":
    """Load the trained model, which will write that many `texts` at once. Imports torch."""
    import_torch(output)
    return load_writer(run, device or "cpu", threads, texts=texts)


def read_piped_text() -> tuple[str, bool]:
    """Standard input as one text without its last line end, and whether all of it was UTF-8."""
    content = sys.stdin.buffer.read() if sys.stdin is not None else b""
    try:
        text, is_utf8 = content.decode("utf-8-sig"), True
    except UnicodeDecodeError:
        text, is_utf8 = content.decode("utf-8-sig", "replace"), False
    text = text.replace("\r\n", "\n")
    return text.removesuffix("\n"), is_utf8


def new_seed() -> int:
    """A random seed that is short enough to type."""
    return time.time_ns() // 1000 % 10**6
