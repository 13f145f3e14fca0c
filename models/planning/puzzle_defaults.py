"""What suits the puzzles of one kind and size: the model, the training and its length.

The figures come from runs on one or two CPU cores. What suits an architecture in particular stands in its
own file.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from data.errors import UsageError
from data.puzzle_kind import PuzzleKind
from models.architectures import ARCHITECTURES, DEFAULT_PUZZLE_ARCHITECTURE, config_type
from models.architectures.two_state import TwoStateConfig
from models.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Suited:
    """What suits puzzles."""

    minutes: float
    width: int = 64
    heads: int = 4
    max_steps: int = 2
    supervision_steps: int = 8
    batch_size: int = 64
    average_decay: float = 0.995
    evaluations: int = 10
    rates: tuple[float, float] = (0.003, 0.02)
    """The peaks of the learning rates of vectors and of matrices."""


_SUDOKUS: Mapping[int, Suited] = {
    4: Suited(minutes=2.0),
    6: Suited(minutes=5.0),
    9: Suited(minutes=20.0, width=96, max_steps=3, supervision_steps=16, average_decay=0.999),
}
"""By the side of the grid."""


def suited_to(kind: PuzzleKind, cells: int) -> Suited:
    """What suits puzzles of that kind with so many cells."""
    if kind.task == "sudoku":
        return _SUDOKUS[kind.side(cells)]
    if kind.task == "maze":
        return _suited_to_mazes(kind.side(cells))
    # At the usual rates, adding binary numbers is not learned at all.
    suited = Suited(minutes=3.0, rates=(0.0015, 0.005))
    if cells <= 32:
        return suited
    return replace(suited, minutes=20.0, batch_size=64 if cells <= 100 else 32 if cells <= 256 else 16)


def _suited_to_mazes(side: int) -> Suited:
    # Five heads see all cells, and the one above, below, left and right. After 600 steps 93 % of the 9×9
    # mazes were solved, and 86 % at twice these rates. An evaluation is long, since a model that is not sure
    # takes all its steps.
    suited = Suited(minutes=5.0, width=80, heads=5, max_steps=3, batch_size=32, rates=(0.0015, 0.01))
    if side < 12:
        return suited
    if side < 20:
        return replace(suited, minutes=20.0, evaluations=5)
    return replace(suited, minutes=60.0, evaluations=5, supervision_steps=16, batch_size=16)


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
        "evaluations": suited.evaluations,
        "learning_rate": suited.rates[0],
        "matrix_learning_rate": suited.rates[1],
        "cooldown": 0.5,
        "shallow_fraction": 0.0,
        "full_depth_prob": 1.0,
    }
