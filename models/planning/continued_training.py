"""The model and the training of a run that goes on with another text."""

from collections.abc import Generator
from dataclasses import asdict, replace

from data.corpus import Corpus
from data.mixes.prepared import PreparedMix
from data.prepare import PreparedData
from data.tokenizer import Tokenizer
from models.architectures import model_config, skeleton
from models.config import ModelConfig, TrainingConfig
from models.cost.estimate import Estimate, require_memory
from models.device import choose_device, has_device, prepare_process
from models.planning.defaults import MAX_EPOCHS, suggested_minutes, suggested_regularisation
from models.planning.measured_speed import expected_estimate
from models.planning.request import TrainRequest, without_length
from models.planning.run_content import RunContent
from models.planning.text_rows import expected_tokens
from models.planning.text_tokens import require_answers
from models.runs.events import Event, NoticeGiven
from models.runs.machine import choose_machine
from models.runs.run_config import RunConfig
from models.settings import from_dict


def model_and_training(
    content: RunContent,
    corpus: Corpus,
    data: PreparedData | PreparedMix,
    tokenizer: Tokenizer,
    request: TrainRequest,
) -> Generator[Event, None, tuple[ModelConfig, TrainingConfig, Estimate]]:
    """The model with the vocabulary of `tokenizer`, how it trains on `data`, and what that should cost.

    Raises UsageError where it does not fit into memory, CorpusError where the assistant's words are to be
    learned and there are none.
    """
    config = content.config
    training = _training(config, corpus, request)
    if training.loss_on == "assistant":
        require_answers(corpus, data)
    training, notice = _fitted_to_machine(config, training, request)
    if notice is not None:
        yield NoticeGiven(message=notice)
    model, training = _with_both_texts(content.model, tokenizer, training, request)
    device, layout = choose_device(training.device), skeleton(model)
    require_memory(layout, training, device, shards=request.processes.shards)
    prepare_process(choose_machine(training, config.calibration).threads)
    expected = expected_estimate(layout, training, device, request.processes)
    read = expected_tokens(training, model, data, expected.tokens_per_second)
    suggested = suggested_regularisation(read / max(1, data.train_tokens), read / expected.parameters)
    model, training = _regularised(config, model, training, request, suggested)
    return model, training, expected


def _training(config: RunConfig, corpus: Corpus, request: TrainRequest) -> TrainingConfig:
    """As the run was trained, with the overrides over it, for the length that was chosen or suits the text.
    The loss it stopped at was one on another text."""
    length = request.overrides.length or {"minutes": suggested_minutes(corpus)}
    values = {**without_length(config.training), "target_loss": None, **request.overrides.training}
    return from_dict(TrainingConfig, {**values, **length}, "training")


def _with_both_texts(
    old: ModelConfig, tokenizer: Tokenizer, training: TrainingConfig, request: TrainRequest
) -> tuple[ModelConfig, TrainingConfig]:
    """The model with the vocabulary of both texts, and the training, which may read the new one so often."""
    values = {**asdict(old), "vocab_size": tokenizer.vocab_size}
    model = model_config({"architecture": old.architecture, **values, **request.overrides.model})
    if "max_epochs" in request.overrides.training:
        return model, training
    return model, replace(training, max_epochs=MAX_EPOCHS)


def _regularised(
    config: RunConfig, model: ModelConfig, training: TrainingConfig, request: TrainRequest, suggested: float
) -> tuple[ModelConfig, TrainingConfig]:
    """Both with no more dropout and weight decay than `suggested` for the new text; what was chosen stays.

    What is dropped so that a short text is not learned by heart would cost the longer ones before it.
    """
    if "dropout" not in request.overrides.model:
        model = replace(model, dropout=min(model.dropout, suggested))
    if "weight_decay" not in request.overrides.training:
        decay = min(config.training_config().weight_decay, suggested)
        training = replace(training, weight_decay=decay)
    return model, training


def _fitted_to_machine(
    config: RunConfig, training: TrainingConfig, request: TrainRequest
) -> tuple[TrainingConfig, str | None]:
    """The training without the device and the threads of another machine, where the user chose none; and
    what to say about it where it is another training then."""
    machine, chosen = choose_machine(training, config.calibration), request.overrides.training
    if machine.notice is None:
        return training, None
    device = "auto" if "device" not in chosen and not has_device(training.device) else training.device
    threads = training.threads if "threads" in chosen else machine.threads
    fitted = replace(training, device=device, threads=threads)
    return fitted, None if fitted == training else machine.notice
