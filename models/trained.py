"""A trained model, ready to use."""

from dataclasses import dataclass
from typing import Any

from data.tokenizer import Tokenizer, load_tokenizer
from models.architectures import build_model, model_config
from models.device import choose_device, prepare_process
from models.errors import CheckpointError, RunError
from models.recursive_lm import RecursiveLM
from models.run import Run
from models.training.checkpoint import load_weights


@dataclass(frozen=True, slots=True)
class Trained:
    """`kind` is text, documents or messages: what the model learned to go on with."""

    model: RecursiveLM
    tokenizer: Tokenizer
    run: Run
    config: dict[str, Any]
    kind: str


def load_trained(run: Run, device: str = "cpu") -> Trained:
    """The run's best weights, in float32 and evaluation mode.

    Raises RunError where nothing is trained yet, CheckpointError where the weights are damaged
    or do not fit, TokenizerError.
    """
    config = run.read_config()
    if "data" not in config or not run.weights_path.exists():
        raise RunError(
            f"Run '{run.name}' is not trained yet.", hint=f"Train it: {_how_to_train(run, config)}"
        )
    prepare_process()
    tokenizer = load_tokenizer(run.tokenizer_path)
    weights, _ = load_weights(run.weights_path)
    described = model_config(config["model"])
    if tokenizer.vocab_size != described.vocab_size:
        raise RunError(
            f"The tokenizer of run '{run.name}' has {tokenizer.vocab_size} tokens, the model "
            f"{described.vocab_size}.",
            hint="Put the tokenizer.json back that it was trained with.",
        )
    model = build_model(described)
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise CheckpointError(
            f"The weights of run '{run.name}' do not fit its config.json.",
            hint="One of the two was changed since it was trained.",
        ) from error
    return Trained(model.to(choose_device(device)).eval(), tokenizer, run, config, config["data"]["kind"])


def _how_to_train(run: Run, config: dict[str, Any]) -> str:
    return f"rlm resume {run.name}" if "data" in config else f"rlm train FILE --name {run.name}"
