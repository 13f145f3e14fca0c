"""evaluation.json: what the last evaluation of a training found, typed. Torch-free."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from models.runs.typed_json import AnyFloat, Count, Text, read_record


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Of text, or of problems. Losses are nats per token, or per character of an answer. They and the passes
    are at the default mode, those of problems at the trained depth, unless they are by mode."""

    step: Count
    """Of the weights that were evaluated."""
    after_steps: Count
    """Steps of the training that had ended."""
    validation_loss: AnyFloat
    validation_loss_by_mode: Mapping[str, AnyFloat] = field(default_factory=dict)
    validation_loss_by_source: Mapping[str, AnyFloat] | None = None
    """Of a mix: by the name of each source. `validation_loss` is their mean in the shares of the mix."""
    extrapolated_modes: tuple[Text, ...] = ()
    """Modes deeper than training went."""
    bits_per_byte: AnyFloat | None = None
    validation_tokens: Count | None = None
    tokens_read: Count | None = None
    """Fewer than the validation tokens where there was no time to read all of them."""
    passes_per_token: AnyFloat | None = None
    passes_histogram: Mapping[str, Count] = field(default_factory=dict)
    """Tokens by the recursions they took."""
    number_format: Text | None = None
    accuracy_by_mode: Mapping[str, Mapping[str, AnyFloat]] | None = None
    """Of problems: the share of right answers, 0 to 1, by mode and difficulty."""
    passes_by_mode: Mapping[str, Mapping[str, AnyFloat]] | None = None
    """Of problems: recursions per token, on average, by mode and difficulty."""
    problems_each: Count | None = None
    """Problems of each difficulty that were answered."""
    trained_difficulty: Count | None = None
    """The greatest difficulty in training."""
    foreign: Mapping[str, object] = field(default_factory=dict)

    @property
    def part_in_words(self) -> str | None:
        """How many of the held-out tokens were read: "9,216 of 111,540 held-out tokens". None where all were,
        but for the first one of each source, which has nothing before it."""
        first_ones = len(self.validation_loss_by_source or ("the text",))
        read, held_out = self.tokens_read, self.validation_tokens
        if read is None or held_out is None or read + first_ones >= held_out:
            return None
        return f"{read:,} of {held_out:,} held-out tokens"

    @property
    def trained_mode_losses(self) -> dict[str, float]:
        """The losses of the modes that training used, for the choice of the best one.

        Of problems it is the zero-one loss, the share of wrong answers, since problems that are harder than
        in training need the deepest mode.
        """
        losses = self.validation_loss_by_mode
        if answers := self.accuracy_by_mode:
            losses = {mode: 1 - sum(right.values()) / len(right) for mode, right in answers.items() if right}
        return {mode: loss for mode, loss in losses.items() if mode not in self.extrapolated_modes}


@dataclass(frozen=True, slots=True, kw_only=True)
class PuzzleEvaluation:
    """Of puzzles. The loss is in nats per cell that is asked; accuracies are shares from 0 to 1."""

    step: Count
    after_steps: Count
    validation_loss: AnyFloat
    exact_accuracy: AnyFloat
    """Of whole grids."""
    cell_accuracy: AnyFloat
    """Of the cells that are asked, such as the blank ones of a Sudoku."""
    mean_exit_step: AnyFloat
    puzzles: Count
    chosen_by_others: bool
    """Whether other puzzles than these chose the best weights."""
    max_steps: Count
    exit_steps: Mapping[str, Count] = field(default_factory=dict)
    """Puzzles by the supervision steps they took."""
    exit_and_difficulty: AnyFloat | None = None
    """Rank correlation of these steps with how hard puzzles are, as by the search nodes of a plain solver."""
    exact_accuracy_by_steps: Mapping[str, AnyFloat] = field(default_factory=dict)
    puzzles_by_steps: Count | None = None
    number_format: Text | None = None
    foreign: Mapping[str, object] = field(default_factory=dict)


def evaluation_from_json(value: object) -> Evaluation | PuzzleEvaluation:
    """What evaluation.json holds. Raises MismatchError with what is wrong."""
    if isinstance(value, dict) and "exact_accuracy" in value:
        return read_record(PuzzleEvaluation, value)
    return read_record(Evaluation, value)
