"""Checks a run's tokenizer and repairs it: from a copy, or by a reconstruction where no copy is left."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from data.errors import TokenizerError
from data.progress import Progress
from data.tokenizer import SPECIAL_TOKENS, load_tokenizer_file
from models.errors import RunError
from models.evaluation.modes import default_depth
from models.growth import transaction
from models.recovery.diagnose import Diagnosis, diagnose
from models.recovery.reconstruct.reconstruction import reconstruct
from models.recovery.reconstruct.reference_text import read_reference_text
from models.recovery.reconstruct.text_model import RecursiveTextModel
from models.recovery.reconstruct.vocabulary import Reconstruction
from models.recovery.restore import VerifiedCopy, choose_copy, original_copy
from models.recovery.training_texts import TrainingTexts
from models.runs.compatibility import model_config_of
from models.runs.datasets import vocabulary_growths
from models.runs.load import load_model
from models.runs.run import Run
from models.runs.run_config import DataSection, RunConfig
from models.runs.tokenizer import expected_hash, original_hash, replace_tokenizer
from models.runs.typed_json import JsonObject


@dataclass(frozen=True, slots=True)
class Recovery:
    """What was done.

    `source` is weights, checkpoint, problems, file, run, corpus or reconstruction, None where nothing had to
    be done; `where` says it in words, and `verified` how the tokenizer is verified. `loss` is in nats per
    token, of a reconstruction per character. `backup` is the old file. `renamed`: config.json recorded
    another tokenizer and now records this one.
    """

    diagnosis: Diagnosis
    source: str | None = None
    where: str | None = None
    verified: str | None = None
    loss: float | None = None
    backup: Path | None = None
    reconstruction: Reconstruction | None = None
    renamed: bool = False

    def to_dict(self) -> JsonObject:
        """The outcome as JSON."""
        repaired = {
            "source": self.source,
            "where": self.where,
            "verified": self.verified,
            "loss": self.loss,
            "backup": None if self.backup is None else str(self.backup),
            "renamed": self.renamed,
        }
        return {
            **self.diagnosis.to_dict(),
            "repaired": None if self.source is None else repaired,
            "reconstruction": None if self.reconstruction is None else self.reconstruction.to_dict(),
        }


def check_tokenizer(run: Run) -> Diagnosis:
    """What is wrong with the run's tokenizer.json. Changes nothing.

    Raises RunError for a run that has no text, CheckpointError for one without a model.
    """
    config = _trained_config(run)
    return diagnose(run, config, TrainingTexts(run, config), model_config_of(run, config).vocab_size)


def recover_tokenizer(
    run: Run, like: Path | None = None, encoding: str | None = None
) -> Generator[Progress, None, Recovery]:
    """Repair the run's tokenizer.json from the nearest copy or, where none is left, from the model and the
    text `like`, whose encoding is detected if none is given. A text `like` that the run was trained on is as
    good as a copy.

    config.json then records the hash of the new tokenizer, and for a reconstruction that of the lost one too.
    Nothing else in the run changes. A sound tokenizer stays, except a reconstruction: it is replaced once a
    copy of the lost tokenizer is found.

    Raises TokenizerError where it cannot be repaired, RunBusyError, RunError, UsageError and CorpusError
    for `like`, StorageError.
    """
    with run.lock():
        transaction.recover(run)
        config = _trained_config(run)
        vocab_size = model_config_of(run, config).vocab_size
        texts = TrainingTexts(run, config, like, encoding)
        diagnosis = diagnose(run, config, texts, vocab_size)
        if diagnosis.sound and original_hash(config) is None:
            return Recovery(diagnosis)
        yield Progress("looking for copies", 0, 1, "places")
        if diagnosis.sound:
            original = original_copy(run, config, texts, vocab_size)
            return Recovery(diagnosis) if original is None else _restore(run, config, diagnosis, original)
        choice = choose_copy(run, config, texts, vocab_size)
        if isinstance(choice, VerifiedCopy):
            return _restore(run, config, diagnosis, choice)
        found = yield from _reconstruct(run, config, texts, vocab_size, why=choice)
        # The file is written first. After a kill between the two, config.json still has the hash of the lost
        # tokenizer, and the same command with the same text makes the same reconstruction again.
        backup = replace_tokenizer(run, found.tokenizer)
        load_tokenizer_file(run.tokenizer_path)  # the written file must be readable
        if found.exact:
            _record_hash(run, config, found.tokenizer.hash)
        else:
            _record_reconstruction(run, config, found.tokenizer.hash)
        return Recovery(
            diagnosis,
            source="reconstruction",
            where=f"the model and the text '{like}'",
            verified="hash" if found.exact else "loss",
            loss=found.loss,
            backup=backup,
            reconstruction=found,
        )


def _restore(run: Run, config: RunConfig, diagnosis: Diagnosis, choice: VerifiedCopy) -> Recovery:
    """Write a copy back. config.json is written first: after a kill between the two, the next recovery finds
    the copy by the hash recorded there."""
    tokenizer = choice.copy.tokenizer
    in_place = diagnosis.tokenizer is not None and diagnosis.tokenizer.hash == tokenizer.hash
    renamed = _record_hash(run, config, tokenizer.hash)
    if in_place and not renamed:
        raise _another_fault(run, diagnosis)
    return Recovery(
        diagnosis,
        source=choice.copy.source,
        where=choice.copy.where,
        verified=choice.verified,
        loss=choice.loss,
        backup=None if in_place else replace_tokenizer(run, tokenizer),
        renamed=renamed,
    )


def _trained_config(run: Run) -> RunConfig:
    config = run.config()
    config.require_text(run.path)
    if config.data is None:
        raise RunError(
            f"Run '{run.name}' is not trained yet.", hint=f"Train it: {{train FILE name={run.in_command}}}"
        )
    return config


def _data(config: RunConfig) -> DataSection:
    assert config.data is not None  # `_trained_config` requires it
    return config.data


def _reconstruct(
    run: Run, config: RunConfig, texts: TrainingTexts, vocab_size: int, why: str
) -> Generator[Progress, None, Reconstruction]:
    """Raises TokenizerError that begins with `why` where there is nothing to reconstruct from."""
    missing, command = texts.how_to_bring_back, f"{{recover-tokenizer {run.in_command} like=FILE}}"
    if _data(config).tokenizer not in (None, "character"):
        raise TokenizerError(
            f"{why.removesuffix('.')}, and it used byte pairs: only character models can be reconstructed.",
            hint=f"{missing}, or give a copy of it: {command}"
            if missing
            else "Put the tokenizer.json that it was trained with into the run.",
        )
    if texts.like is None:
        other = f"a text in the same language: {command}"
        raise TokenizerError(why, hint=f"{missing}, or give {other}" if missing else f"Give {other}")
    reference = read_reference_text(texts.like, texts.like_encoding)
    model = load_model(run, config)
    try:
        found = yield from reconstruct(
            RecursiveTextModel(model, default_depth(model)),
            reference,
            bounds=_bounds(texts, vocab_size),
            expected=original_hash(config) or expected_hash(config),
        )
    except TokenizerError as error:
        error.hint = " ".join(filter(None, (error.hint, *reference.notes)))
        raise
    return replace(found, notes=reference.notes)


def _bounds(texts: TrainingTexts, vocab_size: int) -> Sequence[int]:
    """The places where parts of the text tokens begin: the first, and one for each growth."""
    grown = {before for entry in texts.datasets for before, _ in vocabulary_growths(entry)}
    control = len(SPECIAL_TOKENS)
    return [0, *(size - control for size in sorted(grown) if control < size < vocab_size)]


def _record_reconstruction(run: Run, config: RunConfig, tokenizer_hash: str) -> None:
    """Record in config.json that the tokenizer is a reconstruction, and the hash of the lost one."""
    before = original_hash(config) or expected_hash(config)
    if before is None:
        return  # a hash alone would pass for that of the lost tokenizer
    data = replace(_data(config), tokenizer_hash=tokenizer_hash, reconstructed_from_hash=before)
    run.save_config(replace(config, data=data))


def _record_hash(run: Run, config: RunConfig, tokenizer_hash: str) -> bool:
    """Record the hash in config.json where another is recorded. Returns whether that changed the file."""
    if expected_hash(config) in (None, tokenizer_hash):
        return False
    data = replace(_data(config), tokenizer_hash=tokenizer_hash, reconstructed_from_hash=None)
    run.save_config(replace(config, data=data))
    return True


def _another_fault(run: Run, diagnosis: Diagnosis) -> TokenizerError:
    """The error where tokenizer.json is right and something else is wrong."""
    finding = diagnosis.findings[0]
    hint = f"See the state of its weights: {{show {run.in_command}}}"
    if finding.name == "wrong-size":
        hint = "Put the config.json back that it was trained with."
    return TokenizerError(
        f"The tokenizer.json of run '{run.name}' is the one it was trained with, so the fault is not in it: "
        f"{finding.sentence}",
        hint=hint,
    )
