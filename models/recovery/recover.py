"""From a run whose tokenizer is in doubt to one whose tokenizer is right, or a sentence why not."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.errors import TokenizerError
from data.progress import Progress
from data.tokenizer import SPECIAL_TOKENS, load_tokenizer_file
from models.errors import RunError
from models.evaluation.modes import default_depth
from models.growth.transaction import catch_up
from models.recovery.diagnosis import Diagnosis, diagnose
from models.recovery.known_text import KnownText
from models.recovery.language import ModelLanguage
from models.recovery.reconstruct import Reconstruction, reconstruct
from models.recovery.reference import read_reference
from models.recovery.restore import Chosen, choose_copy, original_copy, put_back
from models.runs.compatibility import described_model
from models.runs.datasets import vocabulary_growths
from models.runs.load import load_model
from models.runs.run import Run
from models.runs.task import require_text
from models.runs.tokenizer import expected_hash, original_hash


@dataclass(frozen=True, slots=True)
class Recovery:
    """What was done. `source` is weights, checkpoint, file, run, corpus or reconstruction; `where` says it
    in words, `verified` how it is known to be right; `backup` is where the old file went; `renamed`
    says that config.json named another tokenizer, and names this one now."""

    diagnosis: Diagnosis
    source: str | None = None
    where: str | None = None
    verified: str | None = None
    loss: float | None = None
    backup: Path | None = None
    reconstruction: Reconstruction | None = None
    renamed: bool = False

    def to_dict(self) -> dict[str, Any]:
        """The outcome as JSON has it."""
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
    """What is wrong with the run's tokenizer.json, if anything; nothing is changed.

    Raises RunError for a run that has no text, CheckpointError for one without a model.
    """
    config = _trained_config(run)
    return diagnose(run, config, KnownText(run, config), described_model(run, config).vocab_size)


def recover_tokenizer(run: Run, like: Path | None = None) -> Generator[Progress, None, Recovery]:
    """Put the run's tokenizer.json right, from the nearest copy, or from the model and the text
    `like` where none is left. A text `like` that the run was trained on is as good as a copy.

    Where config.json names another tokenizer than the one that is put back, it names that one then,
    and of a reconstruction the one before too. Nothing else in the run is changed, and nothing where
    it is sound; but a reconstruction gives way to the tokenizer that it stands in for.

    Raises TokenizerError where it cannot be done, RunBusyError, RunError, UsageError and
    CorpusError for `like`, StorageError.
    """
    with run.lock():
        catch_up(run)
        config = _trained_config(run)
        vocab_size = described_model(run, config).vocab_size
        known = KnownText(run, config, like)
        diagnosis = diagnose(run, config, known, vocab_size)
        if diagnosis.sound and original_hash(config) is None:
            return Recovery(diagnosis)
        yield Progress("looking for copies", 0, 1, "places")
        if diagnosis.sound:
            original = original_copy(run, config, known, vocab_size)
            return Recovery(diagnosis) if original is None else _restored(run, config, diagnosis, original)
        chosen = choose_copy(run, config, known, vocab_size)
        if isinstance(chosen, Chosen):
            return _restored(run, config, diagnosis, chosen)
        found = yield from _reconstructed(run, config, known, vocab_size, like, chosen)
        # The file first: killed before config.json names it, the run still has the hash of the one that
        # was lost, and the same command with the same text makes the same reconstruction again.
        backup = put_back(run, found.tokenizer)
        load_tokenizer_file(run.tokenizer_path)  # what was written must be what can be read
        if not found.exact:
            _own_up(run, config, found.tokenizer.hash)
        else:
            _name(run, config, found.tokenizer.hash)
        return Recovery(
            diagnosis,
            source="reconstruction",
            where=f"the model and the text '{like}'",
            verified="hash" if found.exact else "loss",
            loss=found.loss,
            backup=backup,
            reconstruction=found,
        )


def _restored(run: Run, config: dict[str, Any], diagnosis: Diagnosis, chosen: Chosen) -> Recovery:
    """Put a copy back. config.json first: killed before the file is replaced, the run has a file that is
    not the one named and a copy that is, which the next recovery finds by its hash."""
    tokenizer = chosen.copy.tokenizer
    in_place = diagnosis.tokenizer is not None and diagnosis.tokenizer.hash == tokenizer.hash
    named = _name(run, config, tokenizer.hash)
    if in_place and not named:
        raise _no_fault_of_the_tokenizer(run, diagnosis)
    return Recovery(
        diagnosis,
        source=chosen.copy.source,
        where=chosen.copy.where,
        verified=chosen.verified,
        loss=chosen.loss,
        backup=None if in_place else put_back(run, tokenizer),
        renamed=named,
    )


def _trained_config(run: Run) -> dict[str, Any]:
    config = run.read_config()
    require_text(run.name, config)
    if "data" not in config:
        raise RunError(
            f"Run '{run.name}' is not trained yet.", hint=f"Train it: rlm train FILE --name {run.name}"
        )
    return config


def _reconstructed(
    run: Run, config: Mapping[str, Any], known: KnownText, vocab_size: int, like: Path | None, why: str
) -> Generator[Progress, None, Reconstruction]:
    """Raises TokenizerError that begins with `why`, where there is nothing to reconstruct from."""
    lost, command = known.where_lost_texts_belong, f"rlm recover-tokenizer {run.name} --like FILE"
    if config["data"].get("tokenizer") == "bpe":
        raise TokenizerError(
            f"{why.removesuffix('.')}, and it was one of byte pairs: only character models can be "
            "reconstructed.",
            hint=f"{lost}, or give a copy of it: {command}"
            if lost
            else "Put the tokenizer.json that it was trained with into the run.",
        )
    if like is None:
        other = f"a text in the same language: {command}"
        raise TokenizerError(why, hint=f"{lost}, or give {other}" if lost else f"Give {other}")
    reference = read_reference(like)
    model = load_model(run, config)
    language = ModelLanguage(model, default_depth(model))
    return (
        yield from reconstruct(
            language,
            reference,
            bounds=_bounds(known, vocab_size),
            expected=original_hash(config) or expected_hash(config),
        )
    )


def _bounds(known: KnownText, vocab_size: int) -> Sequence[int]:
    """Where, among the text tokens, those begin that were learned together."""
    grown = {before for entry in known.datasets for before, _ in vocabulary_growths(entry)}
    control = len(SPECIAL_TOKENS)
    return [0, *(size - control for size in sorted(grown) if control < size < vocab_size)]


def _own_up(run: Run, config: dict[str, Any], tokenizer_hash: str) -> None:
    """Let config.json say that the tokenizer is a reconstruction: the one before is not to be had."""
    before = original_hash(config) or expected_hash(config)
    if before is None:
        return  # no hash is better than one that would be taken for that of the tokenizer it was trained with
    data = {**config["data"], "tokenizer_hash": tokenizer_hash, "reconstructed_from_hash": before}
    run.write_config({**config, "data": data})


def _name(run: Run, config: dict[str, Any], tokenizer_hash: str) -> bool:
    """Let config.json name this tokenizer where it names another; whether it had to be changed."""
    if expected_hash(config) in (None, tokenizer_hash):
        return False
    data = {key: value for key, value in config["data"].items() if key != "reconstructed_from_hash"}
    run.write_config({**config, "data": {**data, "tokenizer_hash": tokenizer_hash}})
    return True


def _no_fault_of_the_tokenizer(run: Run, diagnosis: Diagnosis) -> TokenizerError:
    finding = diagnosis.findings[0]
    hint = f"See what became of its weights: rlm show {run.name}"
    if finding.name == "wrong-size":
        hint = "Put the config.json back that it was trained with."
    return TokenizerError(
        f"The tokenizer.json of run '{run.name}' is the one it was trained with, so the fault is not in it: "
        f"{finding.sentence}",
        hint=hint,
    )
