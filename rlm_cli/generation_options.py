"""The dials of `rlm generate` and `rlm chat`, and what they add up to."""

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from data.errors import UsageError
from models.recursion import DEFAULT_MODE, depth_of
from rlm_cli.options import WHERE_PANEL, dial

if TYPE_CHECKING:
    from models.generation.settings import GenerationConfig
    from models.runs.load import LoadedModel
    from models.runs.run import Run

SAMPLING_PANEL = "How it writes"
_SMALL_MODEL = 30_000_000  # parameters
_MOST_THREADS = 1024

TemperatureOption = Annotated[
    float | None,
    dial(
        "--temp",
        "-t",
        "--temperature",
        help="0 always takes the likeliest token; higher is more varied. Default 0.8.",
        panel=SAMPLING_PANEL,
    ),
]
MaxTokensOption = Annotated[
    int | None, dial("--max-tokens", help="Longest answer, in tokens. Default 256.", panel=SAMPLING_PANEL)
]
TopKOption = Annotated[
    int | None,
    dial("--top-k", help="Sample among the K likeliest tokens. Default 0: off.", panel=SAMPLING_PANEL),
]
TopPOption = Annotated[
    float | None,
    dial(
        "--top-p",
        help="Sample among the fewest tokens that hold P of the probability. Default 0.95; 1 is off.",
        panel=SAMPLING_PANEL,
    ),
]
MinPOption = Annotated[
    float | None,
    dial(
        "--min-p",
        help="Drop tokens below this share of the likeliest one's probability. Default 0: off.",
        panel=SAMPLING_PANEL,
    ),
]
PenaltyOption = Annotated[
    float | None,
    dial(
        "--penalty",
        help="Above 1, tokens already used become less likely. Default 1: off.",
        panel=SAMPLING_PANEL,
    ),
]
NgramOption = Annotated[
    int | None,
    dial("--ngram", help="Never repeat this many tokens in a row. Default 0: off.", panel=SAMPLING_PANEL),
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
    typer.Option("--natural", help="End with the first sentence.", rich_help_panel=SAMPLING_PANEL),
]
HaltOption = Annotated[
    bool | None,
    typer.Option(
        "--halt/--no-halt",
        help="A token leaves the recursion as soon as the model is sure enough that more is not worth it.",
        rich_help_panel=SAMPLING_PANEL,
        show_default=False,
    ),
]
HaltThresholdOption = Annotated[
    float | None,
    dial(
        "--halt-threshold",
        help="How sure, 0 to 1: higher thinks longer. Implies --halt.",
        panel=SAMPLING_PANEL,
    ),
]
WriterSeedOption = Annotated[
    int | None, dial("--seed", help="Same seed, same text.", panel=SAMPLING_PANEL)
]  # fmt: skip
WriterDeviceOption = Annotated[
    str | None,
    dial(
        "--device",
        help="cpu, cuda or mps. Without it the cpu, which is quickest for a small model and one reader.",
        panel=WHERE_PANEL,
    ),
]


def chosen_settings(
    run: "Run",
    *,
    mode: str | None,
    natural: bool,
    halt: bool | None,
    stop: list[str] | None,
    earlier: Mapping[str, Any] | None = None,
    **said: Any,
) -> tuple[str, "GenerationConfig"]:
    """Mode and settings: what was said, else `earlier`, else the run's generation_config.json,
    else the defaults.

    `said` holds fields of GenerationConfig, None where nothing was said. Needs no torch, so that
    a slip is told at once. Raises UsageError, RunError where that file is damaged.
    """
    from models.generation.settings import GenerationConfig

    kept = {**_kept_settings(run), **(earlier or {})}
    chosen = mode if mode is not None else str(kept.pop("mode", DEFAULT_MODE))
    depth_of(chosen)
    kept.update({name: value for name, value in said.items() if value is not None})
    if natural:
        kept["natural_stop"] = True
    if halt is False and said.get("halt_threshold") is not None:
        raise UsageError("--no-halt and --halt-threshold exclude one another.", hint="Give one of them.")
    if halt is not None or said.get("halt_threshold") is not None:
        kept["halt"] = halt is not False
    if stop is not None:
        kept["stop"] = [text.replace("\\n", "\n").replace("\\t", "\t") for text in stop]
    return chosen, GenerationConfig.from_dict(kept)


def _kept_settings(run: "Run") -> dict[str, Any]:
    """What the run's generation_config.json holds, if there is one. Raises UsageError, RunError."""
    from models.generation.settings import GenerationConfig

    kept = run.read_json("generation_config.json") or {}
    try:
        depth_of(str(kept.get("mode", DEFAULT_MODE)))
        GenerationConfig.from_dict(kept)
    except UsageError as error:
        hint = f"It stands in {run.path / 'generation_config.json'}."
        raise UsageError(error.message, hint=hint) from error
    return kept


def check_threads(threads: int | None) -> None:
    """UsageError for more threads than torch survives being asked for."""
    if threads is not None and threads > _MOST_THREADS:
        raise UsageError(f"--threads is {threads}, but has to be at most {_MOST_THREADS}.")


def refuse_system(run: "Run") -> None:
    """UsageError where the run is known to have learned text without turns."""
    data = run.config().data
    if data is not None and data.kind != "messages":
        raise UsageError(f"Run '{run.name}' continues text and takes no instructions.")


def open_run(name: str | None, folder: Path | None) -> "Run":
    """The run that was named, or the newest."""
    from models.runs.run import Run
    from rlm_cli.environment import runs_dir

    return Run.open(name, runs_dir(folder))


def load_model(run: "Run", device: str | None, threads: int | None) -> "LoadedModel":
    """The trained model, ready to write. This is where torch is imported."""
    from models.device import choose_device, prepare_process
    from models.runs.load import load_run

    choose_device(device or "cpu")  # a slip is told before the weights are read
    trained = load_run(run, device or "cpu")
    # One token of a small model is too little work to share: threads only wait for each other,
    # the more so where something else is running.
    small = trained.model.parameter_counts()[0] < _SMALL_MODEL
    prepare_process(threads or (1 if small else 0))
    return trained


def read_piped_text() -> tuple[str, bool]:
    """All of standard input as one text without its last line end, and whether it was all UTF-8."""
    content = sys.stdin.buffer.read() if sys.stdin is not None else b""
    try:
        text, exact = content.decode("utf-8-sig"), True
    except UnicodeDecodeError:
        text, exact = content.decode("utf-8-sig", "replace"), False
    text = text.replace("\r\n", "\n")
    return text.removesuffix("\n"), exact


def new_seed() -> int:
    """A seed short enough to be typed again."""
    return time.time_ns() // 1000 % 10**6


def unknown_note(characters: str) -> str:
    """What to say about characters the model has never met."""
    listed = " ".join(repr(character) for character in characters[:8])
    more = " …" if len(characters) > 8 else ""
    return f"This model has never met {listed}{more}: it reads them as unknown."
