"""The flags of `rlm train` for a model that goes on learning."""

from typing import Annotated

import typer

from rlm_cli.options import dial

CONTINUE_PANEL = "Another text, or a larger model"

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
    typer.Option("--fresh", help="Begin a new model, whatever there is.", rich_help_panel=CONTINUE_PANEL),
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
        metavar="CHARS",
        min=1,
        help="Grow each time it has read so many characters.",
        panel=CONTINUE_PANEL,
    ),
]
GrowByOption = Annotated[
    int | None,
    dial("--grow-by", metavar="PARAMS", min=1, help="By about so many parameters.", panel=CONTINUE_PANEL),
]
