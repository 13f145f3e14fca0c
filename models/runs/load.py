"""A trained model, ready to use."""

from dataclasses import dataclass

from torch import Tensor

from data.tokenizer import Tokenizer
from data.wording import counted
from models.architectures import build_model
from models.device import choose_device, prepare_process
from models.errors import CheckpointError, RunError
from models.layers.initialise import no_init
from models.recursive_lm import RecursiveLM
from models.runs.checkpoint import load_weights
from models.runs.checkpoint_folder import newest_checkpoint
from models.runs.compatibility import model_config_of, require_matching_shapes
from models.runs.learned_kind import learned_kind
from models.runs.pending_change import config_of_weights
from models.runs.run import Run
from models.runs.run_config import RunConfig
from models.runs.tokenizer import load_run_tokenizer


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model of text with its tokenizer. `kind` is what it learned: text, documents, messages or
    problems.

    A model that learned conversations and then a plain text still has the kind messages.
    """

    model: RecursiveLM
    tokenizer: Tokenizer
    run: Run
    config: RunConfig
    kind: str
    notes: tuple[str, ...] = ()
    """Sentences for the user, such as a fallback that was taken."""

    @property
    def number_format(self) -> str:
        """The number format that it was trained in."""
        calibration = self.config.calibration
        return "float32" if calibration is None else calibration.number_format


def load_run(run: Run, device: str = "cpu") -> LoadedModel:
    """The run's best weights, in float32 and evaluation mode.

    Raises RunError where nothing is trained yet, CheckpointError where the weights are missing, damaged
    or do not fit, TokenizerError.
    """
    config = run.config()
    require_trained(run, config)
    config.require_text(run.path)
    config = config_of_weights(run, config)
    model = load_model(run, config, device)
    tokenizer, note = load_run_tokenizer(run, config, model.config.vocab_size)
    return LoadedModel(
        model=model,
        tokenizer=tokenizer,
        run=run,
        config=config,
        kind=learned_kind(run, config),
        notes=() if note is None else (note,),
    )


def require_trained(run: Run, config: RunConfig) -> None:
    """Raise RunError where the run has no text or puzzles to learn from."""
    if config.data is None:
        raise RunError(
            f"Run '{run.name}' is not trained yet.", hint=f"Train it: {{train FILE name={run.in_command}}}"
        )


def load_model(run: Run, config: RunConfig, device: str = "cpu") -> RecursiveLM:
    """The model of a trained run, with its best weights, which ask for no gradients. Raises as `load_run`
    does."""
    model_config = model_config_of(run, config)
    weights = _best_weights(run)
    require_matching_shapes(model_config, weights, f"The model.safetensors of run '{run.name}'")
    prepare_process()
    with no_init():
        model = build_model(model_config)
    model.load_state_dict(weights)
    return model.to(choose_device(device)).eval().requires_grad_(False)


def _best_weights(run: Run) -> dict[str, Tensor]:
    """The tensors of model.safetensors. Raises RunError and CheckpointError with what to do about it."""
    newest = newest_checkpoint(run.checkpoints_path)
    was_evaluated = newest is not None and newest.state.counters.last_evaluated >= 0
    if not run.weights_path.exists():
        if was_evaluated:
            raise CheckpointError(
                f"The model.safetensors of run '{run.name}' is missing.",
                hint=f"Make it again from the newest checkpoint: {{resume {run.in_command}}}",
            )
        why = "is not trained yet"
        if step := 0 if newest is None else newest.state.counters.step:
            why = f"has no best weights yet: it was not evaluated in its {counted(step, 'step')}"
        raise RunError(f"Run '{run.name}' {why}.", hint=f"Train it: {{resume {run.in_command}}}")
    try:
        weights, _ = load_weights(run.weights_path)
    except CheckpointError as error:
        if error.hint is None and was_evaluated:
            error.hint = f"Make it again: {{resume {run.in_command}}}"
        raise
    return weights
