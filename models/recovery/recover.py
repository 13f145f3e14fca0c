"""From a run whose tokenizer is in doubt to one whose tokenizer is right, or a sentence why not."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.advance import Advance
from data.errors import TokenizerError
from data.tokenizer import SPECIAL_TOKENS, load_tokenizer
from models.datasets import vocabulary_growths
from models.errors import RunError
from models.recovery.diagnosis import Diagnosis, diagnose
from models.recovery.known_text import KnownText
from models.recovery.language import ModelLanguage
from models.recovery.reconstruct import Reconstruction, reconstruct
from models.recovery.reference import read_reference
from models.recovery.restore import choose_copy, put_back
from models.run import Run
from models.run_tokenizer import expected_hash
from models.task import require_text
from models.trained import load_model
from models.training.continual.revision import catch_up
from models.training.fitting import described_model
from models.training.modes import default_depth


@dataclass(frozen=True, slots=True)
class Recovery:
    """What was done. `source` is weights, checkpoint, run, corpus or reconstruction; `where` says it
    in words, `verified` how it is known to be right; `backup` is where the old file went."""

    diagnosis: Diagnosis
    source: str | None = None
    where: str | None = None
    verified: str | None = None
    loss: float | None = None
    backup: Path | None = None
    reconstruction: Reconstruction | None = None

    def to_dict(self) -> dict[str, Any]:
        """The outcome as JSON has it."""
        repaired = {
            "source": self.source,
            "where": self.where,
            "verified": self.verified,
            "loss": self.loss,
            "backup": None if self.backup is None else str(self.backup),
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


def recover_tokenizer(run: Run, like: Path | None = None) -> Generator[Advance, None, Recovery]:
    """Put the run's tokenizer.json right, from the nearest copy, or from the model and the text
    `like` where none is left. Nothing else in the run is changed, and nothing where it is sound.

    Raises TokenizerError where it cannot be done, RunBusyError, RunError, UsageError and
    CorpusError for `like`, StorageError.
    """
    with run.lock():
        catch_up(run)
        config = _trained_config(run)
        vocab_size = described_model(run, config).vocab_size
        known = KnownText(run, config)
        diagnosis = diagnose(run, config, known, vocab_size)
        if diagnosis.sound:
            return Recovery(diagnosis)
        yield Advance("looking for copies", 0, 1, "places")
        chosen = choose_copy(run, config, known, vocab_size)
        if chosen is not None:
            if diagnosis.tokenizer is not None and diagnosis.tokenizer.hash == chosen.copy.tokenizer.hash:
                raise _no_fault_of_the_tokenizer(run, diagnosis)
            backup = put_back(run, chosen.copy.tokenizer)
            source, where = chosen.copy.source, chosen.copy.where
            return Recovery(diagnosis, source, where, chosen.verified, chosen.loss, backup)
        found = yield from _reconstructed(run, config, known, vocab_size, like)
        backup = put_back(run, found.tokenizer)
        load_tokenizer(run.tokenizer_path)  # what was written must be what can be read
        if not found.exact:
            _own_up(run, config, found.tokenizer.hash)
        return Recovery(
            diagnosis,
            source="reconstruction",
            where=f"the model and the text '{like}'",
            verified="hash" if found.exact else "loss",
            loss=found.loss,
            backup=backup,
            reconstruction=found,
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
    run: Run, config: Mapping[str, Any], known: KnownText, vocab_size: int, like: Path | None
) -> Generator[Advance, None, Reconstruction]:
    lost = f"No copy of the tokenizer of run '{run.name}' is left"
    if config["data"].get("tokenizer") == "bpe":
        raise TokenizerError(
            f"{lost}, and it was one of byte pairs: only character models can be reconstructed.",
            hint="Put the text it was trained on back where it was, and try again.",
        )
    if like is None:
        raise TokenizerError(
            f"{lost}.",
            hint=f"Give a text in the same language: rlm recover-tokenizer {run.name} --like FILE",
        )
    reference = read_reference(like)
    model = load_model(run, config)
    language = ModelLanguage(model, default_depth(model))
    return (
        yield from reconstruct(
            language, reference, bounds=_bounds(known, vocab_size), expected=expected_hash(config)
        )
    )


def _bounds(known: KnownText, vocab_size: int) -> Sequence[int]:
    """Where, among the text tokens, those begin that were learned together."""
    grown = {before for entry in known.datasets for before, _ in vocabulary_growths(entry)}
    control = len(SPECIAL_TOKENS)
    return [0, *(size - control for size in sorted(grown) if control < size < vocab_size)]


def _own_up(run: Run, config: dict[str, Any], tokenizer_hash: str) -> None:
    """Let config.json say that the tokenizer is a reconstruction: the one before is not to be had."""
    before = config["data"].get("tokenizer_hash")
    data = {**config["data"], "tokenizer_hash": tokenizer_hash, "reconstructed_from_hash": before}
    run.write_config({**config, "data": data})


def _no_fault_of_the_tokenizer(run: Run, diagnosis: Diagnosis) -> TokenizerError:
    return TokenizerError(
        f"The tokenizer.json of run '{run.name}' is the one it was trained with, so the fault is not in it: "
        f"{diagnosis.findings[0].sentence}",
        hint=f"See what became of its weights: rlm show {run.name}",
    )
