"""Make a run of an exported folder. Nothing of the folder is executed: its code is only compared."""

import hashlib
import json
import os
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from data.errors import RlmError, UsageError
from data.plain_file import UnreadableFileError, read_plain_file
from data.storage import storing
from data.tokenizer import Tokenizer
from models.architectures import model_config, skeleton
from models.config import ModelConfig
from models.errors import RunError
from models.export.config_names import MODEL_TYPE, NAMES
from models.export.export_folder import FINAL_EVENT, RUN_FILE, read_exported_config
from models.export.exported_weights import exported_weights, weights_sha256
from models.export.model_code import model_code
from models.export.tokenizer_files import read_exported_tokenizer
from models.runs.best_weights import weights_metadata
from models.runs.checkpoint import Snapshot, save_checkpoint, save_weights
from models.runs.datasets import DATASETS_FILE, Dataset, datasets_from_json
from models.runs.evaluation import Evaluation, evaluation_from_json
from models.runs.event_json import from_json as event_from_json
from models.runs.events import RunFinished
from models.runs.migrations import migrated
from models.runs.new_run import new_run
from models.runs.read_files import read_json
from models.runs.run import EVALUATION_FILE, Run
from models.runs.run_config import DataSection, ModelSection, RunConfig
from models.runs.run_names import CONFIG_FILE, NAME, suggest_name
from models.runs.run_state import Counters, RunState, Schedule
from models.runs.typed_json import JsonObject, MismatchError

_LARGEST_JSON = 64 << 20
_LARGEST_CODE = 4 << 20
_RECORD = f"Put {RUN_FILE} back, or remove it: what was measured is then left out."
_KINDS = ("text", "documents", "messages", "problems")
_WHOLE = "Export the run again, or put the file back as it was."


@dataclass(frozen=True, slots=True)
class Imported:
    """A run that was made of a folder, and sentences for the user."""

    run: Run
    evaluation: Evaluation | None
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Record:
    """What rlm_run.json says; all of it empty where there is no such file."""

    weights_sha256: str = ""
    code_sha256: Mapping[str, str] | None = None
    config: RunConfig | None = None
    datasets: tuple[Dataset, ...] = ()
    evaluation: Evaluation | None = None
    finished: RunFinished | None = None


def import_run(folder: Path, runs_dir: Path, name: str | None = None) -> Imported:
    """A run with the model, the tokenizer and the evaluation of an exported `folder`.

    Without a `name`, it gets that of the run it was, or the next free one like it. Everything is checked
    before anything is made. Raises UsageError for a folder that is no export or was changed by hand, and
    CheckpointError, TokenizerError, RunError, StorageError.
    """
    folder = Path(os.path.abspath(os.path.expanduser(folder)))
    content = _exported_config(folder)
    config = _model_config(folder, content)
    record = _read_record(folder)
    _require_same_model(folder, config, record)
    _require_known_code(folder, config, record)
    tokenizer = read_exported_tokenizer(folder)
    _require_same_size(folder, config, tokenizer)
    weights = exported_weights(folder, config)
    evaluation, finished, notes = record.evaluation, record.finished, []
    if weights_sha256(folder) != record.weights_sha256:
        evaluation = finished = None
        notes.append(
            "The weights are not the ones that were exported, so what was measured of those is left out."
        )
    kind = content.get("rlm_kind")
    run_config = _run_config(record, config, tokenizer, kind if kind in _KINDS else "text")
    stem = run_config.name or folder.name
    chosen = name or suggest_name(stem if NAME.fullmatch(stem) else folder.name, runs_dir)
    with new_run(chosen, runs_dir, suggested_from=None if name else stem) as run:
        run_config = replace(run_config, name=run.name)
        with storing("the tokenizer"):
            tokenizer.save(run.tokenizer_path)
        metadata = weights_metadata(tokenizer, run_config)
        save_weights(run, weights, metadata)
        save_checkpoint(run, _snapshot(weights, evaluation), pointers=("latest", "best"), metadata=metadata)
        if record.datasets:
            run.save_datasets(record.datasets)
        if evaluation is not None:
            run.save_evaluation(evaluation)
        if finished is not None:
            ended = replace(finished, run=run.name, path=str(run.path))
            deque(run.record([ended]), maxlen=0)
        run.save_config(run_config)
    return Imported(run, evaluation, tuple(notes))


def _snapshot(weights: dict[str, Tensor], evaluation: Evaluation | None) -> Snapshot:
    """The weights as the end of a training, from which another text can be learned."""
    counters = Counters()
    if evaluation is not None:
        counters.step = counters.last_evaluated = evaluation.after_steps
        counters.best_step, counters.best_loss = evaluation.step, evaluation.validation_loss
    schedule = Schedule.over(0, max(1, counters.step))
    return Snapshot(
        counters.step, weights, {}, RunState(counters=counters, schedule=schedule, ended="imported")
    )


def _exported_config(folder: Path) -> JsonObject:
    """config.json of an exported folder. Raises UsageError for any other."""
    if not folder.is_dir():
        raise UsageError(f"There is no folder '{folder}'.", hint="Give a folder that {export RUN} wrote.")
    hint = "rlm imports what it exported itself: {export RUN}"
    try:
        content = read_exported_config(folder)
    except FileNotFoundError:
        raise UsageError(f"There is no {CONFIG_FILE} in '{folder}'.", hint=hint) from None
    except UnreadableFileError as error:
        raise UsageError(error.message, hint=hint) from error
    except ValueError as error:
        raise UsageError(f"'{folder / CONFIG_FILE}' is not JSON.", hint=hint) from error
    kind = content.get("model_type") if isinstance(content, dict) else None
    if kind == MODEL_TYPE and isinstance(content, dict):
        return content
    if isinstance(content, dict) and "format_version" in content and kind is None:
        raise UsageError(f"'{folder}' is a run, not an export.", hint="Make a copy of it: {copy RUN NEW}")
    of_what = f"a model of the type '{kind}'" if isinstance(kind, str) else "no model of rlm"
    raise UsageError(f"The {CONFIG_FILE} in '{folder}' describes {of_what}.", hint=hint)


def _model_config(folder: Path, content: JsonObject) -> ModelConfig:
    """The model that config.json describes. Raises UsageError where its parts do not agree."""
    path, settings = folder / CONFIG_FILE, content.get("rlm_model")
    if not isinstance(settings, dict):
        raise UsageError(f"'{path}' has no 'rlm_model', which says what the model is.", hint=_WHOLE)
    try:
        config = model_config(settings)
    except (UsageError, TypeError, ValueError) as error:
        why = error.message if isinstance(error, RlmError) else "its 'rlm_model' is damaged."
        raise UsageError(f"'{path}' describes no model: {why}", hint=_WHOLE) from error
    if settings.get("task", "text") != "text":
        raise UsageError(f"'{path}' describes a model of puzzles, and only models of text are exported.")
    for name, ours in NAMES.items():
        _require_equal(path, name, content.get(name), getattr(config, ours))
    tied = bool(getattr(config, "tied", False))
    _require_equal(path, "tie_word_embeddings", content.get("tie_word_embeddings", tied), tied)
    return config


def _require_equal(path: Path, name: str, found: Any, expected: Any) -> None:
    if found != expected:
        raise UsageError(
            f"'{path}' was changed: its '{name}' is {found!r:.60}, and its 'rlm_model' says {expected!r}.",
            hint=_WHOLE,
        )


def _read_record(folder: Path) -> _Record:
    path = folder / RUN_FILE
    try:
        content = read_json(path, _LARGEST_JSON)
        return _parsed_record(path, content)
    except FileNotFoundError:
        return _Record()
    except MismatchError as error:
        raise UsageError(f"'{path}' is damaged: {error}.", hint=_RECORD) from error
    except RunError as error:
        raise UsageError(error.message, hint=_RECORD) from error


def _parsed_record(path: Path, content: object) -> _Record:
    if not isinstance(content, dict):
        raise MismatchError("it is not an object with names")
    code, evaluation = content.get("code_sha256"), content.get(EVALUATION_FILE)
    if code is not None and not isinstance(code, dict):
        raise MismatchError("its 'code_sha256' is not an object with names")
    read = None if evaluation is None else evaluation_from_json(migrated(EVALUATION_FILE, evaluation, path))
    event = event_from_json(json.dumps(content.get(FINAL_EVENT)))
    return _Record(
        weights_sha256=str(content.get("weights_sha256", "")),
        code_sha256=code,
        config=RunConfig.from_json(migrated(CONFIG_FILE, content.get(CONFIG_FILE), path)),
        datasets=tuple(datasets_from_json(migrated(DATASETS_FILE, content.get(DATASETS_FILE), path))),
        evaluation=read if isinstance(read, Evaluation) else None,
        finished=event if isinstance(event, RunFinished) else None,
    )


def _require_same_model(folder: Path, config: ModelConfig, record: _Record) -> None:
    """Raise UsageError for settings that were changed and leave every tensor its shape."""
    if record.config is None:
        return
    try:
        exported = model_config(record.config.model.dials)
    except (UsageError, TypeError, ValueError) as error:
        raise UsageError(f"The model in '{folder / RUN_FILE}' is none.", hint=_RECORD) from error
    if exported != config:
        raise UsageError(
            f"'{folder / CONFIG_FILE}' was changed: its 'rlm_model' is not the model that was exported.",
            hint=_WHOLE,
        )


def _require_known_code(folder: Path, config: ModelConfig, record: _Record) -> None:
    """Raise UsageError for code that is not as rlm wrote it: the run would compute something else."""
    names = sorted(name for name in os.listdir(folder) if name.endswith(".py"))
    if not names:
        return
    current = {name: _hash(text.encode()) for name, text in model_code(config.architecture).items()}
    written = dict(record.code_sha256 or {})
    for name in names:
        try:
            found = _hash(read_plain_file(folder / name, _LARGEST_CODE, follow_links=True))
        except (FileNotFoundError, UnreadableFileError):
            found = ""
        if found not in (current.get(name), written.get(name)) or not found:
            raise UsageError(
                f"'{folder / name}' is not the code that rlm wrote, and rlm runs no code of a folder.",
                hint="Put it back, or remove it if the model is to be what rlm makes of the weights.",
            )


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _require_same_size(folder: Path, config: ModelConfig, tokenizer: Tokenizer) -> None:
    if tokenizer.vocab_size != config.vocab_size:
        raise UsageError(
            f"The tokenizer.json in '{folder}' has {tokenizer.vocab_size} tokens, "
            f"and the model {config.vocab_size}.",
            hint=_WHOLE,
        )


def _run_config(record: _Record, config: ModelConfig, tokenizer: Tokenizer, kind: str) -> RunConfig:
    """The run's configuration: what was recorded, with the model and the tokenizer that were found."""
    known = record.config or RunConfig(model=ModelSection.of(config))
    data = known.data or DataSection(paths=(), content_hash="unknown", kind=kind)
    layout = skeleton(config)
    parameters, embedding = layout.parameter_counts()
    return replace(
        known,
        model=ModelSection.of(config),
        parameters=parameters,
        embedding_parameters=embedding,
        tokenizer_hash=tokenizer.hash,
        started_at=0.0 if known.started_at is None else known.started_at,
        data=replace(data, paths=(), prepared=None, tokenizer=tokenizer.kind, tokenizer_hash=tokenizer.hash),
        calibration=None,
    )
