"""Configurations: frozen, with the defaults here and nowhere else. Torch-free.

A model's own dials stand in its architecture's file; what every model has, and everything
about training, stands here.
"""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Self

from data.errors import UsageError
from models.depth import FULL_DEPTH_PROB
from models.settings import require


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """What every architecture has. Each adds its own dials in its own file."""

    architecture: ClassVar[str]
    growth_axes: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """The axes along which it can grow and still compute what it did, each with the field it changes."""
    block_axes: ClassVar[tuple[str, ...]] = ()
    """Those of them that add blocks, in the order in which a model that grows evenly is given new blocks."""
    problem_shape: ClassVar[Mapping[str, int]] = MappingProxyType({})
    """The architecture's defaults for problems that are made here, by field."""
    vocab_size: int
    """Entries of the vocabulary."""
    context_length: int = 128
    """Tokens the model sees at once."""
    d_model: int = 192
    """Width of the residual stream."""
    n_heads: int = 4
    """Attention heads; must divide d_model into even widths."""
    dropout: float = 0.0
    """Share of what each half block adds that is dropped in training."""
    positions: str = "rotary"
    """How tokens know where they stand: rotary, learned, or sinusoidal."""
    ngram: int = 0
    """How many tokens before each one its embedding sees too, each through a table of its own."""

    def __post_init__(self) -> None:
        require(2 <= self.vocab_size <= 2**20, "model.vocab_size", self.vocab_size, f"2 to {2**20}")
        require(1 <= self.context_length <= 65536, "model.context_length", self.context_length, "1 to 65536")
        require(8 <= self.d_model <= 16384, "model.d_model", self.d_model, "8 to 16384")
        require(self.n_heads >= 1, "model.n_heads", self.n_heads, "at least 1")
        require(0 <= self.ngram <= 16, "model.ngram", self.ngram, "0 to 16")
        require(0 <= self.dropout < 1, "model.dropout", self.dropout, "0 up to, not including, 1")
        known = ("rotary", "learned", "sinusoidal")
        require(self.positions in known, "model.positions", self.positions, f"one of {', '.join(known)}")
        if self.d_model % (2 * self.n_heads):
            raise UsageError(
                f"model.d_model {self.d_model} does not divide into {self.n_heads} heads of even width.",
                hint=f"Choose a width that is a multiple of {2 * self.n_heads}, or other heads.",
                field="model.d_model",
            )

    @property
    def default_feed_forward(self) -> int:
        """The hidden width of each block's network where d_feed_forward is None."""
        return 4 * self.d_model

    def size_of(self, axis: str) -> int:
        """The present size along one of `growth_axes`."""
        size: int | None = getattr(self, self.growth_axes[axis])
        return self.default_feed_forward if size is None else size

    def larger(self, sizes: Mapping[str, int]) -> Self:
        """The same configuration with `sizes`, by axis of `growth_axes`. Raises UsageError."""
        fields: dict[str, Any] = {self.growth_axes[axis]: size for axis, size in sizes.items()}
        return dataclasses.replace(self, **fields)

    def why_not_grow(self, axis: str) -> str | None:
        """Why this configuration cannot grow along one of `growth_axes`, as a sentence without its full
        stop; None where it can."""
        return None


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How a model is trained. Rates are peaks; fractions are of the whole run."""

    steps: int | None = None
    """Optimizer steps."""
    epochs: float | None = None
    """Passes over the training part, instead of steps."""
    minutes: float | None = None
    """Wall-clock minutes from the start of the command to the saved model, instead of steps."""
    max_epochs: float | None = None
    """Passes over the text at which a length in minutes ends early: more would be learning by heart."""
    batch_size: int = 32
    """Sequences for each optimizer step."""
    micro_batch: int | None = None
    """Sequences at once; fewer than the batch accumulates gradients. None: what memory allows."""
    optimizer: str = "muon"
    """muon: Muon for the matrices inside blocks, AdamW for the rest. adamw: AdamW for all."""
    learning_rate: float = 3e-3
    """AdamW's rate."""
    matrix_learning_rate: float = 0.02
    """Muon's rate."""
    embedding_rate: float = 1.0
    """The embeddings' share of the learning rate."""
    weight_decay: float = 0.0
    """Decoupled weight decay of matrices."""
    beta1: float = 0.9
    """AdamW's first momentum."""
    beta2: float = 0.95
    """AdamW's second momentum."""
    schedule: str = "wsd"
    """After warm-up: wsd (warm-up, stable, decay) stays at the peak, then falls in a line; cosine falls all
    along."""
    warmup_steps: int = 20
    """Steps of rising rate at the start; a tenth of the run at most."""
    cooldown: float = 0.6
    """Share of the run over which a wsd schedule falls."""
    final_rate: float = 0.02
    """Share of the peak rate at the end."""
    gradient_clip: float = 1.0
    """Largest norm of the whole gradient."""
    loss_on: str = "all"
    """What is learned: all; of conversations, assistant, the assistant's words alone; of problems, answers,
    their answers alone."""
    attend_within: str = "sequence"
    """What a token attends to: sequence, all that is before it in its sequence; of several documents or
    conversations, document, what is before it in its own."""
    easy_first: bool = True
    """Of problems: whether the first ones are easy, and harder ones come bit by bit."""
    average_decay: float = 0.0
    """Decay of an exponential average of the weights used for evaluation; 0 keeps none."""
    shallow_fraction: float = 0.0
    """Share of the run trained at the least depth before depths are sampled."""
    full_depth_prob: float = FULL_DEPTH_PROB
    """Probability that a step uses the trained depth; otherwise it draws one at random."""
    evaluations: int = 10
    """Evaluations over the run."""
    evaluation_tokens: int = 16384
    """Validation tokens for an evaluation on the way; the last one reads all of them."""
    samples: int = 5
    """Passages written over the run."""
    checkpoint_minutes: float = 0.5
    """Minutes between checkpoints; more where they would take over 2 % of the time. 0: after every step."""
    patience: int = 0
    """Stop after so many evaluations without a better loss; 0 never does."""
    target_loss: float | None = None
    """Stop once the validation loss is this low."""
    grow_every: int | None = None
    """Characters read after which the model grows, each time; None never grows."""
    grow_by: int = 1_000_000
    """Parameters it grows by, about."""
    seed: int = 0
    """Everything random follows from it."""
    device: str = "auto"
    """cpu, cuda, cuda:1, mps, or auto: the best there is."""
    number_format: str = "auto"
    """float32, bfloat16, float16, or auto: bfloat16 where the device has it and the model is large."""
    compile: str = "auto"
    """yes, no, or auto: where it pays for itself within the run."""
    threads: int = 0
    """CPU threads; 0 leaves the choice to torch."""

    @property
    def within_documents(self) -> bool:
        """Whether a token attends to its own document alone."""
        return self.attend_within == "document"

    def __post_init__(self) -> None:
        lengths = [name for name in LENGTHS if getattr(self, name) is not None]
        if len(lengths) > 1:
            raise UsageError(f"The length is given twice: {' and '.join(lengths)}.", hint="Keep one of them.")
        for name in (*lengths, "learning_rate", "matrix_learning_rate", "gradient_clip"):
            require(0 < getattr(self, name) < math.inf, f"training.{name}", getattr(self, name), "above 0")
        for name in ("cooldown", "shallow_fraction", "full_depth_prob", "final_rate", "average_decay"):
            require(0 <= getattr(self, name) <= 1, f"training.{name}", getattr(self, name), "0 to 1")
        for name in ("weight_decay", "embedding_rate", "checkpoint_minutes"):
            require(getattr(self, name) >= 0, f"training.{name}", getattr(self, name), "0 or more")
        for name in ("beta1", "beta2"):
            beta = getattr(self, name)
            require(0 <= beta < 1, f"training.{name}", beta, "0 up to, not including, 1")
        for name in ("batch_size", "micro_batch", "evaluation_tokens"):
            value = getattr(self, name)
            require(value is None or value >= 1, f"training.{name}", value, "at least 1")
        require(
            self.grow_every is None or self.grow_every >= 1,
            "training.grow_every",
            self.grow_every,
            "at least 1",
        )
        require(self.grow_by >= 1, "training.grow_by", self.grow_by, "at least 1")
        for name in ("warmup_steps", "evaluations", "samples", "patience", "threads", "seed"):
            require(getattr(self, name) >= 0, f"training.{name}", getattr(self, name), "0 or more")
        require(
            self.max_epochs is None or self.max_epochs > 0,
            "training.max_epochs",
            self.max_epochs,
            "above 0",
        )
        require(
            self.target_loss is None or 0 <= self.target_loss < math.inf,
            "training.target_loss",
            self.target_loss,
            "0 or more",
        )
        require(self.seed < 2**32, "training.seed", self.seed, "below 2 to the 32nd")
        for name, most in _MOST.items():
            value = getattr(self, name)
            require(value is None or value <= most, f"training.{name}", value, f"at most {most:,}")
        for name, choices in _CHOICES.items():
            value = getattr(self, name)
            require(value in choices, f"training.{name}", value, f"one of {', '.join(choices)}")


LENGTHS = ("minutes", "steps", "epochs")
"""The fields a length may be given in, one of them at a time."""

_MOST = {
    "steps": 10**9,
    "epochs": 10**6,
    "minutes": 10**6,  # two years
    "max_epochs": 10**9,
    "batch_size": 2**20,
    "micro_batch": 2**20,
    "warmup_steps": 10**9,
    "evaluations": 10**6,
    "evaluation_tokens": 10**12,
    "samples": 10**6,
    "patience": 10**6,
    "checkpoint_minutes": 10**6,
    "threads": 1024,
    "learning_rate": 10**3,
    "matrix_learning_rate": 10**3,
    "embedding_rate": 10**6,
    "weight_decay": 10**3,
}
"""Beyond these a number is a slip of the hand, and arithmetic on it may overflow."""

_CHOICES = {
    "attend_within": ("sequence", "document"),
    "loss_on": ("all", "answers", "assistant"),
    "optimizer": ("muon", "adamw"),
    "schedule": ("wsd", "cosine"),
    "number_format": ("auto", "float32", "bfloat16", "float16"),
    "compile": ("auto", "yes", "no"),
}


def multiple_of(step: int, value: float) -> int:
    """`value` rounded to the nearest multiple of `step`, at least one of them."""
    return max(1, round(value / step)) * step
