"""Options that only `rlm train` has."""

from typing import Annotated

import typer

from rlm_cli.options import LENGTH_PANEL, TRAINING_PANEL, WHERE_PANEL, env_option

CONTINUE_PANEL = "Another text, or a larger model"

TaskOption = Annotated[
    str | None,
    env_option(
        "--task",
        metavar="TASK",
        help="Not text: sudoku:4x4, :6x6, :9x9, :9x9-hard, maze:9x9 to :30x30, compose:s3, chains:4, sums:4 "
        "or listops:4 makes puzzles or problems; sudoku, maze or grid reads a CSV.",
    ),
]
MixOption = Annotated[
    str | None,
    typer.Option(
        "--mix",
        metavar="FILE",
        help="Several sources in given shares: a mix file (.toml), or reasoning. Also PATH:WEIGHT, as in "
        "books/:0.7 letters.txt:0.3.",
        show_default=False,
    ),
]
CountOption = Annotated[
    int | None, env_option("--count", metavar="N", min=2, help="Number of puzzles to make or read.")
]
EpochsOption = Annotated[
    float | None,
    env_option(
        "--epochs",
        setting="training.epochs",
        metavar="X",
        help="Passes through the text.",
        panel=LENGTH_PANEL,
    ),
]
TargetLossOption = Annotated[
    float | None,
    env_option(
        "--target-loss",
        setting="training.target_loss",
        metavar="LOSS",
        help="Stop once the validation loss is this low.",
        panel=LENGTH_PANEL,
    ),
]
PatienceOption = Annotated[
    int | None,
    env_option(
        "--patience",
        setting="training.patience",
        metavar="N",
        min=1,
        help="Stop after N evaluations without an improvement.",
        panel=LENGTH_PANEL,
    ),
]
BatchSizeOption = Annotated[
    int | None,
    env_option(
        "--batch-size",
        setting="training.batch_size",
        metavar="N",
        min=1,
        help="Sequences per step.",
        panel=TRAINING_PANEL,
    ),
]
OptimizerOption = Annotated[
    str | None,
    env_option(
        "--optimizer",
        setting="training.optimizer",
        metavar="NAME",
        help="muon (with AdamW for the rest) or adamw.",
        panel=TRAINING_PANEL,
    ),
]
LossOnOption = Annotated[
    str | None,
    env_option(
        "--loss-on",
        setting="training.loss_on",
        metavar="WHAT",
        help="Of conversations: assistant learns its words alone; all, the default, learns every turn.",
        panel=TRAINING_PANEL,
    ),
]
AttendWithinOption = Annotated[
    str | None,
    env_option(
        "--attend-within",
        setting="training.attend_within",
        metavar="WHAT",
        help="Of documents and conversations: document lets a token attend to its own alone; sequence, the "
        "default, to all before it.",
        panel=TRAINING_PANEL,
    ),
]
NumberFormatOption = Annotated[
    str | None,
    env_option(
        "--number-format",
        setting="training.number_format",
        metavar="NAME",
        help="float32, bfloat16 or float16. Without it: what suits the device.",
        panel=WHERE_PANEL,
    ),
]
LinkBandwidthOption = Annotated[
    str | None,
    env_option(
        "--link-bandwidth",
        setting="machine.link_bandwidth",
        metavar="SPEED",
        help="With --dry-run: what a process sends to the next one, such as 50GB/s or 100Gbit/s.",
        panel=WHERE_PANEL,
    ),
]
LinkLatencyOption = Annotated[
    str | None,
    env_option(
        "--link-latency",
        setting="machine.link_latency",
        metavar="TIME",
        help="With --dry-run: how long the first byte takes, such as 10us.",
        panel=WHERE_PANEL,
    ),
]
DryRunOption = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        help="Print the plan only. With --nproc, or a --device that is not here (a100, h100, h200, l40s, "
        "rtx4090): also what a step would take there.",
        rich_help_panel=WHERE_PANEL,
    ),
]
ContinueOption = Annotated[
    str | None,
    typer.Option(
        "--continue",
        metavar="RUN",
        help="Train this run on the text; it keeps what it learned before. With --name NEW, train a copy.",
        rich_help_panel=CONTINUE_PANEL,
    ),
]
FreshOption = Annotated[
    bool,
    typer.Option("--fresh", help="Train a new model without asking.", rich_help_panel=CONTINUE_PANEL),
]
ReplayOption = Annotated[
    float | None,
    env_option(
        "--replay",
        metavar="SHARE",
        min=0.0,
        max=0.99,
        help="Share of earlier texts in the training, 0 for none. "
        "Without it: 0.05, and more for a very different text.",
        panel=CONTINUE_PANEL,
    ),
]
GrowVocabularyOption = Annotated[
    int | None,
    env_option(
        "--grow-vocab",
        metavar="N",
        min=1,
        help="Number of byte pairs to add from the new text.",
        panel=CONTINUE_PANEL,
    ),
]
GrowEveryOption = Annotated[
    int | None,
    env_option(
        "--grow-every",
        setting="training.grow_every",
        metavar="CHARS",
        min=1,
        help="Grow after every so many characters.",
        panel=CONTINUE_PANEL,
    ),
]
GrowByOption = Annotated[
    int | None,
    env_option(
        "--grow-by",
        setting="training.grow_by",
        metavar="PARAMS",
        min=1,
        help="Parameters to add each time, about.",
        panel=CONTINUE_PANEL,
    ),
]
