"""More training than was planned: a finished run goes on, a paused one gets a new length."""

import contextlib
import time
from dataclasses import replace

from data.errors import CorpusError, UsageError
from data.prepare import open_prepared
from data.progress import result_of
from models.config import TrainingConfig
from models.growth.initial_snapshot import has_no_steps_yet
from models.growth.transaction import recover
from models.runs.checkpoint import has_checkpoints, load_checkpoint
from models.runs.compatibility import model_config_of
from models.runs.machine import choose_machine
from models.runs.mix_search import open_mix
from models.runs.problems import load_problems
from models.runs.puzzles import load_puzzles
from models.runs.run import Run
from models.runs.run_config import DataSection, Extension, RunConfig
from models.runs.text_search import find_text
from models.runs.tokenizer import load_run_tokenizer


def extend(run: Run, *, minutes: float | None = None, steps: int | None = None) -> None:
    """Have the next `train(run)` go on for so much longer.

    A finished run warms its rate up again to a share of its peak and lets it fall anew; a paused one
    stretches or shortens what is left of its schedule, and one that was paused before the first
    step on its text has all of it left. Raises UsageError, CheckpointError, and CorpusError where its
    text is gone, and RunError where a file is damaged; the run is then as it was.
    """
    if (minutes is None) == (steps is None):
        raise UsageError("The length is one of minutes and steps.")
    TrainingConfig(minutes=minutes, steps=steps)  # raises where the length is out of its bounds
    with run.lock():
        config = recover(run)
        if config.data is None:
            raise UsageError(
                f"Run '{run.name}' has no text yet.", hint=f"Train it: {{train FILE name={run.in_command}}}"
            )
        _require_readable(run, config)
        if config.solves_puzzles:
            result_of(load_puzzles(run, config))
        elif config.answers_problems:
            load_problems(run, config, model_config_of(run, config).context_length)
        else:
            _require_text(run, config, config.data)
        snapshot = load_checkpoint(run)[0] if has_checkpoints(run) else None
        if snapshot is not None and not has_no_steps_yet(snapshot):
            extension = Extension(from_step=snapshot.step, minutes=minutes, steps=steps)
            run.save_config(replace(config, extension=extension))
        else:
            training = {**config.training, "minutes": minutes, "steps": steps, "epochs": None}
            # What passed before was not training.
            run.save_config(replace(config, training=training, started_at=time.time()))


def _require_readable(run: Run, config: RunConfig) -> None:
    """Read everything a training reads, so that nothing is written for one that cannot start.

    Raises RunError, UsageError, CheckpointError, TokenizerError.
    """
    training = config.training_config()
    choose_machine(training, config.calibration)
    model_config = model_config_of(run, config)
    if not config.solves_puzzles:
        load_run_tokenizer(run, config, model_config.vocab_size)
    run.datasets(config)
    run.evaluation()


def _require_text(run: Run, config: RunConfig, data: DataSection) -> None:
    """Raise CorpusError where the tokens of the text or the mix are not in the cache, and it is gone or has
    changed."""
    if data.mix is not None:
        tokenizer, _ = load_run_tokenizer(run, config, model_config_of(run, config).vocab_size)
        result_of(open_mix(data.mix, tokenizer))
        return
    if data.prepared is not None:
        with contextlib.suppress(CorpusError):
            open_prepared(data.prepared)
            return
    result_of(find_text(run, data.paths, data.content_hash))
