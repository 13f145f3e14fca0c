"""The models that a learning benchmark compares: the architectures, and dense ones beside them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from data.errors import UsageError
from data.nearest import did_you_mean
from models.architectures import ARCHITECTURES, DEFAULT_ARCHITECTURE, model_config, skeleton
from models.config import ModelConfig
from models.cost.counts import step_flops
from models.depth import Depth
from models.presets import PRESETS
from models.recursive_lm import RecursiveLM
from models.settings import Settings

DENSE = "transformer"
BEST_DENSE_PRESET = "dense-small"
MOST_BLOCKS = 48
"""Of a dense model."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model to be trained."""

    name: str
    """Of its runs too."""
    model: Settings
    """The fields of its configuration, without the vocabulary."""
    parameters: int
    embedding_parameters: int
    flops_per_token: float
    """Of a training step, the mean over the depths that training draws."""
    equal_parameters: str | None = None
    """The name of the dense model whose parameters are the nearest. None: this one is dense."""
    equal_compute: str | None = None
    """The same for the computation per token."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What all candidates but the preset share."""

    d_model: int = 128
    n_heads: int = 4
    context_length: int = 128
    more: Mapping[str, object] = field(default_factory=lambda: {"ngram": 3})
    is_tied: bool = False
    """Whether the default architecture and the dense models share the embedding and the head."""

    @classmethod
    def of(cls, model: ModelConfig) -> "Shape":
        """The shape of a planned model."""
        is_tied = bool(getattr(model, "tied", False))
        return cls(model.d_model, model.n_heads, model.context_length, {"ngram": model.ngram}, is_tied)

    def fields(self, architecture: str, **dials: object) -> Settings:
        """The fields of a model of this shape. The default architecture is gated, as in every plan."""
        sizes = {"d_model": self.d_model, "n_heads": self.n_heads, "context_length": self.context_length}
        own = {"gated": True} if architecture == DEFAULT_ARCHITECTURE else {}
        if self.is_tied and architecture in (DEFAULT_ARCHITECTURE, DENSE):
            own["tied"] = True
        return {"architecture": architecture, **sizes, **self.more, **own, **dials}


def candidates(architectures: Sequence[str], shape: Shape, vocab_size: int) -> list[Candidate]:
    """`architectures` in this shape, for each the dense model of as many parameters and the one of as much
    computation per token, and the best dense preset.

    The dense models have the same width and only as many unshared blocks as that takes. Raises UsageError
    for an unknown architecture.
    """
    for name in architectures:
        if name not in ARCHITECTURES:
            raise UsageError(f"There is no architecture '{name}'.", hint=did_you_mean(name, ARCHITECTURES))
    dense = [_dense(shape, blocks, vocab_size) for blocks in range(1, MOST_BLOCKS + 1)]
    found: list[Candidate] = []
    needed: dict[str, Candidate] = {}
    for name in dict.fromkeys(one for one in architectures if one != DENSE):
        model = _candidate(name, shape.fields(name), vocab_size)
        by_size = min(dense, key=lambda one: abs(one.parameters - model.parameters))
        by_compute = min(dense, key=lambda one: abs(one.flops_per_token - model.flops_per_token))
        needed |= {by_size.name: by_size, by_compute.name: by_compute}
        found.append(replace(model, equal_parameters=by_size.name, equal_compute=by_compute.name))
    preset = PRESETS[BEST_DENSE_PRESET]
    fields = {"architecture": preset.architecture, "context_length": shape.context_length, **preset.model}
    best = _candidate(BEST_DENSE_PRESET, fields, vocab_size)
    return [*found, *sorted(needed.values(), key=lambda one: one.parameters), best]


def _dense(shape: Shape, blocks: int, vocab_size: int) -> Candidate:
    return _candidate(f"dense-{blocks}", shape.fields(DENSE, n_layers=blocks), vocab_size)


def _candidate(name: str, fields: Settings, vocab_size: int) -> Candidate:
    model = skeleton(model_config({**fields, "vocab_size": vocab_size}))
    total, embedding = model.parameter_counts()
    return Candidate(name, fields, total, embedding, _mean_flops(model))


def _mean_flops(model: RecursiveLM) -> float:
    """Half-way between the least depth and the trained one, as training draws them."""
    return sum(step_flops(model, depth).total for depth in (Depth(1), model.trained_depth)) / 2
