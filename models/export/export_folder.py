"""Write a trained run as a folder that transformers loads."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from data.errors import UsageError
from data.plain_file import UnreadableFileError, read_plain_file
from data.storage import (
    move_into_place,
    remove_entry,
    require_space,
    storing,
    sync_directory,
    temporary_beside,
    write_file,
)
from data.tokenizer import SPECIAL_TOKENS, Tokenizer
from models.depth import depth_of
from models.export.config_names import MODEL_TYPE, NAMES
from models.export.model_card import CardFacts, model_card
from models.export.model_code import AUTO_MAP, MODEL_CLASS, model_code
from models.export.tensor_names import exported_names
from models.export.tokenizer_files import tokenizer_files
from models.generation.run_defaults import resolve_mode, run_settings
from models.generation.settings import GenerationConfig
from models.recursive_lm import RecursiveLM
from models.runs.datasets import DATASETS_FILE, datasets_to_json
from models.runs.evaluation import Evaluation
from models.runs.event_json import to_json as event_to_json
from models.runs.events import RunFinished
from models.runs.load import LoadedModel, load_run
from models.runs.migrations import stamped
from models.runs.run import EVALUATION_FILE, Run
from models.runs.run_config import RunConfig
from models.runs.run_names import CONFIG_FILE
from models.runs.tensor_file import file_size, sealed, tensor_pieces
from models.runs.typed_json import JsonObject, to_json

WEIGHTS_FILE = "model.safetensors"
RUN_FILE = "rlm_run.json"
"""What transformers does not ask for, and a run needs to be itself again."""
FINAL_EVENT = "run_finished"
"""The key in RUN_FILE of the last event of a training that ended."""


def export_run(
    run: Run, folder: Path, *, mode: str = "auto", force: bool = False, command: str
) -> JsonObject:
    """Write the run's best weights, tokenizer and code to `folder`, whole or not at all.

    `mode` is the depth where a caller gives none; "auto": the one that was measured best. `command` is
    written into the model card. With `force` an earlier export is replaced. Returns what was written, as JSON
    has it. Raises UsageError, RunError, CheckpointError, TokenizerError, StorageError.
    """
    folder = Path(os.path.abspath(os.path.expanduser(folder)))
    _require_place(folder, force)
    chosen = resolve_mode(run, mode)
    loaded = load_run(run)
    evaluation = run.evaluation()
    evaluation = evaluation if isinstance(evaluation, Evaluation) else None
    tensors = _named_tensors(loaded.model)
    metadata = sealed(tensors, {"format": "pt"})
    texts = {
        **_json_files(loaded, run, chosen),
        **tokenizer_files(loaded.tokenizer, loaded.kind, loaded.model.config.context_length),
        **model_code(loaded.model.config.architecture),
        "README.md": model_card(_facts(loaded, run, chosen, evaluation, command)),
    }
    what = f"the export of run '{run.name}'"
    with storing(what), temporary_beside(folder) as temporary:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary.mkdir()
        require_space(temporary, file_size(tensors, metadata) + sum(map(len, texts.values())), what)
        weights = write_file(temporary / WEIGHTS_FILE, tensor_pieces(tensors, metadata))
        texts[RUN_FILE] = _as_json(_run_record(loaded, run, evaluation, weights.sha256, texts))
        for name, text in texts.items():
            write_file(temporary / name, [text.encode("utf-8", "surrogatepass")])
        sync_directory(temporary)
        _put_in_place(temporary, folder)
    parameters, _ = loaded.model.parameter_counts()
    return {
        "name": run.name,
        "path": str(folder),
        "mode": chosen,
        "parameters": parameters,
        "files": sorted([*texts, WEIGHTS_FILE]),
        "size_bytes": sum((folder / name).stat().st_size for name in [*texts, WEIGHTS_FILE]),
        "notes": list(loaded.notes),
    }


def read_exported_config(folder: Path) -> Any:
    """What config.json of a folder holds. Raises FileNotFoundError, UnreadableFileError, ValueError."""
    try:
        return json.loads(read_plain_file(folder / CONFIG_FILE, 4 << 20, follow_links=True))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _require_place(folder: Path, force: bool) -> None:
    """Raise UsageError where `folder` is something that an export must not replace."""
    if not os.path.lexists(folder):
        return
    if os.path.islink(folder) or not folder.is_dir():
        raise UsageError(f"'{folder}' is not a folder.", hint="Give the export a folder of its own.")
    if not os.listdir(folder):
        return
    try:
        config = read_exported_config(folder)
        is_export = isinstance(config, dict) and config.get("model_type") == MODEL_TYPE
    except (OSError, UnreadableFileError, ValueError):
        is_export = False
    if not is_export:
        raise UsageError(
            f"There are other files in '{folder}', and an export replaces nothing but an export.",
            hint="Give another folder.",
        )
    if not force:
        raise UsageError(
            f"There is already an export in '{folder}'.", hint="Give another folder, or replace it: {force}"
        )


def _put_in_place(temporary: Path, folder: Path) -> None:
    """Rename the whole new folder to its place. An earlier one is renamed first, and then removed."""
    if not os.path.lexists(folder):
        move_into_place(temporary, folder)
        return
    with temporary_beside(folder) as earlier:  # it is removed at the end
        os.rename(folder, earlier)
        try:
            move_into_place(temporary, folder)
        except BaseException:
            if not os.path.lexists(folder):
                os.rename(earlier, folder)
            raise
        remove_entry(earlier)


def _named_tensors(model: RecursiveLM) -> dict[str, Tensor]:
    state = model.state_dict()
    names = exported_names(model.config.architecture, state)
    return {names[name]: tensor for name, tensor in state.items()}


def _json_files(loaded: LoadedModel, run: Run, mode: str) -> dict[str, str]:
    model, special = loaded.model, _special_ids()
    config = model.config
    settings = {"architecture": config.architecture, **asdict(config)}
    content = {
        "model_type": MODEL_TYPE,
        "architectures": [MODEL_CLASS],
        "auto_map": dict(AUTO_MAP),
        "rlm_model": settings,
        "rlm_kind": loaded.kind,
        "mode": mode,
        **{name: settings[ours] for name, ours in NAMES.items()},
        "num_hidden_layers": model.attention_calls(depth_of(mode)),
        "tie_word_embeddings": bool(settings.get("tied", False)),
        "use_cache": True,
        "dtype": "float32",
        **special,
    }
    generation = GenerationConfig.from_dict(run_settings(run))
    return {
        CONFIG_FILE: _as_json(content),
        "generation_config.json": _as_json({**special, **_generation(generation)}),
    }


def _special_ids() -> dict[str, int]:
    return {
        "bos_token_id": Tokenizer.bos_id,
        "eos_token_id": Tokenizer.eos_id,
        "pad_token_id": Tokenizer.pad_id,
    }


def _generation(settings: GenerationConfig) -> JsonObject:
    """How `rlm generate` writes, in the words of transformers."""
    values: JsonObject = {"do_sample": settings.temperature > 0}
    if settings.temperature > 0:
        values |= {"temperature": settings.temperature, "top_k": settings.top_k, "top_p": settings.top_p}
        values |= {"min_p": settings.min_p} if settings.min_p else {}
    if settings.max_tokens is not None:
        values["max_new_tokens"] = settings.max_tokens
    if settings.repetition_penalty != 1:
        values["repetition_penalty"] = settings.repetition_penalty
    if settings.no_repeat_ngram:
        values["no_repeat_ngram_size"] = settings.no_repeat_ngram
    # Training has no example of the other control tokens.
    values["suppress_tokens"] = [token for token in range(len(SPECIAL_TOKENS)) if token != Tokenizer.eos_id]
    return values


def _run_record(
    loaded: LoadedModel,
    run: Run,
    evaluation: Evaluation | None,
    weights_sha256: str,
    texts: Mapping[str, str],
) -> JsonObject:
    """What makes a run of the folder again. Paths of this machine stay here."""
    code = {name: text for name, text in texts.items() if name.endswith(".py")}
    datasets = [replace(one, paths=(), prepared=None) for one in run.datasets(loaded.config)]
    return {
        "weights_sha256": weights_sha256,
        "code_sha256": {name: hashlib.sha256(text.encode()).hexdigest() for name, text in code.items()},
        CONFIG_FILE: stamped(CONFIG_FILE, _travelling(loaded.config, run.name).to_json()),
        DATASETS_FILE: stamped(DATASETS_FILE, datasets_to_json(datasets)),
        EVALUATION_FILE: None if evaluation is None else stamped(EVALUATION_FILE, to_json(evaluation)),
        FINAL_EVENT: _final_event(run),
    }


def _final_event(run: Run) -> JsonObject | None:
    """The event with which the training ended, if it has."""
    ended = run.history().ended
    if not isinstance(ended, RunFinished):
        return None
    event: JsonObject = json.loads(event_to_json(replace(ended, path="")))
    return event


def _travelling(config: RunConfig, name: str) -> RunConfig:
    """The configuration without what belongs to this machine, or to checkpoints that stay here."""
    data = config.data
    if data is not None:
        mix = data.mix
        if mix is not None:
            sources = tuple(
                replace(
                    one,
                    path=None,
                    dataset=None if one.dataset and os.path.isabs(one.dataset) else one.dataset,
                    prepared=None,
                )
                for one in mix.sources
            )
            mix = replace(mix, sources=sources)
        data = replace(data, paths=(), prepared=None, mix=mix)
    return replace(config, name=name, data=data, calibration=None, replay=None, extension=None)


def _facts(
    loaded: LoadedModel, run: Run, mode: str, evaluation: Evaluation | None, command: str
) -> CardFacts:
    model = loaded.model
    parameters, embedding = model.parameter_counts()
    return CardFacts(
        name=run.name,
        corpus=loaded.config.corpus,
        kind=loaded.kind,
        architecture=model.config.architecture,
        parameters=parameters,
        embedding_parameters=embedding,
        vocab_size=model.config.vocab_size,
        context_length=model.config.context_length,
        mode=mode,
        modes=list(model.modes()),
        recursion=model.recursion_in_words(),
        tokenizer=_TOKENS[loaded.tokenizer.kind],
        steps=None if evaluation is None else evaluation.step,
        evaluation=evaluation,
        command=command,
    )


_TOKENS = {
    "character": "characters",
    "bpe": "byte pairs",
    "technical": "byte pairs for technical text",
    "technical:nfkc": "byte pairs for technical text, which is normalised to NFKC first",
}


def _as_json(value: JsonObject) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
