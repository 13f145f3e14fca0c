"""What suits the puzzles of one kind and size: the model, the training and its length.

The figures come from runs on one or two CPU cores. What suits an architecture in particular stands in its
own file.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from data.errors import UsageError
from data.puzzle_kind import PuzzleKind
from models.architectures import ARCHITECTURES, DEFAULT_PUZZLE_ARCHITECTURE, config_type
from models.architectures.two_state import TwoStateConfig
from models.settings import Settings


@dataclass(frozen=True, slots=True)
class Suited:
    """What suits puzzles."""

    minutes: float
    width: int
    heads: int
    max_steps: int
    supervision_steps: int
    batch_size: int
    average_decay: float


_SUDOKUS: Mapping[int, Suited] = {
    4: Suited(2.0, 64, 4, 2, 8, 64, 0.995),
    6: Suited(5.0, 64, 4, 2, 8, 64, 0.995),
    9: Suited(20.0, 96, 4, 3, 16, 64, 0.999),
}
"""By the side of the grid."""


def suited_to(kind: PuzzleKind, cells: int) -> Suited:
    """What suits puzzles of that kind with so many cells."""
    if kind.task == "sudoku":
        return _SUDOKUS[kind.side(cells)]
    if kind.task == "maze":
        side = kind.side(cells)
        minutes = 5.0 if side < 12 else 20.0 if side < 20 else 60.0
        return Suited(minutes, 80, 5, 3, 8 if side < 20 else 16, 32, 0.995)
    return Suited(3.0 if cells <= 32 else 20.0, 64, 4, 2, 8, 64, 0.995)


def puzzle_architectures() -> tuple[str, ...]:
    """Those that solve puzzles, the usual one first."""
    found = (name for name in ARCHITECTURES if issubclass(config_type(name), TwoStateConfig))
    return tuple(sorted(found, key=lambda name: name != DEFAULT_PUZZLE_ARCHITECTURE))


def require_puzzle_architecture(name: str) -> type[TwoStateConfig]:
    """Its configuration class. Raises UsageError for one that solves no puzzles, and where there is none."""
    found = config_type(name)
    if not issubclass(found, TwoStateConfig):
        raise UsageError(
            f"Architecture '{name}' solves no puzzles.",
            hint=f"Choose one of: {', '.join(puzzle_architectures())}.",
            field="model.architecture",
        )
    return found


def puzzle_model_defaults(
    architecture: str, kind: PuzzleKind, cells: int, width: int | None = None
) -> Settings:
    """The model for puzzles of that kind with so many cells, of a chosen `width`, or the one that suits them.
    Raises UsageError as `require_puzzle_architecture`."""
    suited = suited_to(kind, cells)
    heads = suited.heads
    if kind.task == "maze" and width is not None:
        # Fewer than five heads would leave out a direction.
        heads = next((number for number in (heads, 6, 8) if width % (2 * number) == 0), heads)
    return {
        **require_puzzle_architecture(architecture).puzzle_shape,
        "max_steps": suited.max_steps,
        "d_model": suited.width,
        "n_heads": heads,
        "d_feed_forward": 2 * suited.width,
        "gradient_cycles": 1,
        "supervision_steps": suited.supervision_steps,
        "supervision_power": 0.0,
        "halting_weight": 0.5,
    }


def puzzle_training_defaults(kind: PuzzleKind, cells: int) -> Settings:
    """The training for puzzles of that kind with so many cells."""
    suited = suited_to(kind, cells)
    return {
        "batch_size": suited.batch_size,
        "warmup_steps": 50,
        "average_decay": suited.average_decay,
        "cooldown": 0.5,
        "shallow_fraction": 0.0,
        "full_depth_prob": 1.0,
    }
