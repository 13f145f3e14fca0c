"""The options of `rlm train` alone."""

from typing import Annotated

import typer

from rlm_cli.options import LENGTH_PANEL, TRAINING_PANEL, WHERE_PANEL, dial

CONTINUE_PANEL = "Another text, or a larger model"

TaskOption = Annotated[
    str | None,
    dial(
        "--task",
        metavar="TASK",
        help="Puzzles instead of text: sudoku:4x4, :6x6, :9x9 or :9x9-hard are made; sudoku reads a CSV.",
    ),
]
CountOption = Annotated[int | None, dial("--count", metavar="N", min=2, help="Puzzles to make or read.")]
EpochsOption = Annotated[
    float | None,
    dial(
        "--epochs", setting="training.epochs", metavar="X", help="Times through the text.", panel=LENGTH_PANEL
    ),
]
TargetLossOption = Annotated[
    float | None,
    dial(
        "--target-loss",
        setting="training.target_loss",
        metavar="LOSS",
        help="Stop once the validation loss is this low.",
        panel=LENGTH_PANEL,
    ),
]
PatienceOption = Annotated[
    int | None,
    dial(
        "--patience",
        setting="training.patience",
        metavar="N",
        min=1,
        help="Stop after this many evaluations without a better one.",
        panel=LENGTH_PANEL,
    ),
]
BatchSizeOption = Annotated[
    int | None,
    dial(
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
    dial(
        "--optimizer",
        setting="training.optimizer",
        metavar="NAME",
        help="muon (with AdamW for the rest) or adamw.",
        panel=TRAINING_PANEL,
    ),
]
NumberFormatOption = Annotated[
    str | None,
    dial(
        "--number-format",
        setting="training.number_format",
        metavar="NAME",
        help="float32, bfloat16 or float16; else what is fastest here.",
        panel=WHERE_PANEL,
    ),
]
ContinueOption = Annotated[
    str | None,
    typer.Option(
        "--continue",
        metavar="RUN",
        help="Go on with this run: it learns the text and keeps what it knows.",
        rich_help_panel=CONTINUE_PANEL,
    ),
]
FreshOption = Annotated[
    bool,
    typer.Option("--fresh", help="Train a new model, and do not ask.", rich_help_panel=CONTINUE_PANEL),
]
ReplayOption = Annotated[
    float | None,
    dial(
        "--replay",
        metavar="SHARE",
        min=0.0,
        max=0.99,
        help="Of what it learns, the share that repeats earlier texts; 0 for none. "
        "Without it: 0.05, and more for a text that is far from them.",
        panel=CONTINUE_PANEL,
    ),
]
GrowVocabularyOption = Annotated[
    int | None,
    dial(
        "--grow-vocab",
        metavar="N",
        min=1,
        help="Byte pairs to learn from the new text, besides those it has.",
        panel=CONTINUE_PANEL,
    ),
]
GrowEveryOption = Annotated[
    int | None,
    dial(
        "--grow-every",
        setting="training.grow_every",
        metavar="CHARS",
        min=1,
        help="Grow each time it has read so many characters.",
        panel=CONTINUE_PANEL,
    ),
]
GrowByOption = Annotated[
    int | None,
    dial(
        "--grow-by",
        setting="training.grow_by",
        metavar="PARAMS",
        min=1,
        help="By about so many parameters.",
        panel=CONTINUE_PANEL,
    ),
]
