"""The parts of a plan that follow from the speed of this machine: the width, what keeps a text from being
learned by heart, and the tokens of a step."""

from collections.abc import Collection
from dataclasses import replace

from data.prepare import TokenCounts
from models.architectures import DEFAULT_ARCHITECTURE, skeleton
from models.config import ModelConfig, TrainingConfig
from models.cost.estimate import Estimate
from models.planning.defaults import (
    suggested_batch,
    suggested_for_repeated_reading,
    suggested_narrower,
    suggested_regularisation,
)
from models.planning.measured_speed import expected_estimate
from models.planning.resolve import ResolvedRequest
from models.planning.text_rows import expected_tokens
from models.recursive_lm import RecursiveLM
from models.settings import Settings


def fitted_to_machine(
    resolved: ResolvedRequest, layout: RecursiveLM, training: TrainingConfig, data: TokenCounts
) -> tuple[RecursiveLM, TrainingConfig, Estimate]:
    """The layout of the model and the training, fitted to the tokens that this machine will read in the time
    there is, and the expected cost. What was chosen stays. Each layout that is timed takes a second."""
    expected = _expected(resolved, layout, training)
    narrower = _fitted_to_time(resolved, layout, training, data, expected)
    if narrower is not layout:
        layout, expected = narrower, _expected(resolved, narrower, training)
    model, fitted_training = _fitted_to_reading(resolved, layout.config, training, data, expected)
    is_deeper = fitted_training.shallow_fraction != training.shallow_fraction
    if model != layout.config or is_deeper:  # measuring again takes time
        layout = skeleton(model)
        expected = _expected(resolved, layout, fitted_training)
    return layout, fitted_training, expected


def left_open(suggested: Settings, chosen: Collection[str]) -> Settings:
    """What is suggested of the settings that nobody chose."""
    return {name: value for name, value in suggested.items() if name not in chosen}


def _expected(resolved: ResolvedRequest, layout: RecursiveLM, training: TrainingConfig) -> Estimate:
    return expected_estimate(layout, training, resolved.device, resolved.processes)


def _fitted_to_time(
    resolved: ResolvedRequest,
    layout: RecursiveLM,
    training: TrainingConfig,
    data: TokenCounts,
    expected: Estimate,
) -> RecursiveLM:
    """The layout, of a narrower model where this machine reads few tokens in the minutes there are."""
    is_fitted = resolved.architecture == DEFAULT_ARCHITECTURE and resolved.created is None
    if not is_fitted or training.minutes is None or not {"d_model", "n_heads"}.isdisjoint(resolved.model):
        return layout
    model = layout.config
    layouts = {model.d_model: layout}

    def parameters(width: int) -> int:
        if width not in layouts:
            layouts[width] = skeleton(replace(model, d_model=width))
        total, embedding = layouts[width].parameter_counts()
        return total - embedding

    in_time = replace(training, max_epochs=None)  # a little text is no reason
    read = expected_tokens(in_time, model, data, expected.tokens_per_second)
    width = suggested_narrower(model.d_model, parameters, read)
    return layouts[width]


def _fitted_to_reading(
    resolved: ResolvedRequest,
    model: ModelConfig,
    training: TrainingConfig,
    data: TokenCounts,
    expected: Estimate,
) -> tuple[ModelConfig, TrainingConfig]:
    """Both with what keeps the model from learning the text by heart, and on a CPU the tokens of a step."""
    read = expected_tokens(training, model, data, expected.tokens_per_second)
    epochs = read / max(1, data.train_tokens)
    share = suggested_regularisation(epochs, read / expected.parameters)
    of_model, of_training = suggested_for_repeated_reading(model, share, epochs)
    if resolved.created is None:
        model = replace(model, **left_open(of_model, resolved.model))
    if resolved.device.type == "cpu" and training.steps is None and "batch_size" not in resolved.chosen:
        of_training = {**of_training, **suggested_batch(training, model, read, resolved.processes.count)}
    return model, replace(training, **left_open(of_training, resolved.chosen))
