"""The options of `rlm benchmark learn` alone."""

from pathlib import Path
from typing import Annotated

import typer

StepsOption = Annotated[
    int | None,
    typer.Option("--steps", min=1, metavar="N", help="Steps of each training.", show_default=False),
]
MinutesOption = Annotated[
    float | None,
    typer.Option("--minutes", metavar="M", help="Minutes of each training.", show_default=False),
]
ArchitecturesOption = Annotated[
    str | None,
    typer.Option("--archs", metavar="A,B", help="Architectures. Without it: all.", show_default=False),
]
SeedsOption = Annotated[
    int, typer.Option("--seeds", min=1, max=100, metavar="K", help="Trainings of each model.")
]
WidthOption = Annotated[int, typer.Option("--d-model", min=8, metavar="D", help="Width of the models.")]
HeadsOption = Annotated[int, typer.Option("--heads", min=1, metavar="H", help="Attention heads.")]
ContextOption = Annotated[int, typer.Option("--context", min=8, metavar="T", help="Context in tokens.")]
BatchOption = Annotated[int, typer.Option("--batch-size", min=1, metavar="B", help="Sequences a step.")]
FolderOption = Annotated[
    Path | None,
    typer.Option("--folder", metavar="FOLDER", help="Where the runs are kept.", show_default=False),
]
SaveOption = Annotated[
    Path | None,
    typer.Option(
        "--save", "--markdown", metavar="FILE", help="Write the result as Markdown.", show_default=False
    ),
]
