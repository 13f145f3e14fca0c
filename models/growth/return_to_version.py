"""Returns a run to what it was before it learned another text."""

from dataclasses import replace

from models.growth.transaction import commit, recover
from models.runs.checkpoint import has_checkpoints, load_checkpoint
from models.runs.compatibility import model_config_of, require_matching_shapes
from models.runs.run import Run
from models.runs.run_config import RunConfig
from models.runs.tokenizer import load_run_tokenizer
from models.runs.versions import is_saved, open_version, save_version, version_name


def return_to_version(run: Run, name: str) -> tuple[str | None, list[str]]:
    """Make `run` what its version `name` is, all or nothing.

    What it is now becomes a version too, unless it is one already. Returns the name of that, and sentences
    the user should see. The caller holds the run's lock. Raises UsageError where there is no such version,
    RunError, CheckpointError, TokenizerError where it is damaged, StorageError.
    """
    config = recover(run)
    version = open_version(run, name, config)
    earlier = version.config()
    model = model_config_of(version, earlier)
    snapshot, notes = load_checkpoint(version)
    require_matching_shapes(model, snapshot.model, f"The checkpoint of step {snapshot.step}")
    tokenizer = None
    if not earlier.solves_puzzles:
        tokenizer, note = load_run_tokenizer(version, earlier, model.vocab_size)
        notes += [] if note is None else [note]
    datasets = version.datasets(earlier)
    version.evaluation()  # a damaged one is found before anything is written
    saved = _save_present(run, config)
    snapshot = replace(snapshot, state=replace(snapshot.state, version=name))
    changed = replace(earlier, name=config.name, revision=config.revision + 1)
    commit(run, snapshot, changed, tokenizer, datasets=datasets)
    return saved, notes


def _save_present(run: Run, config: RunConfig) -> str | None:
    """Keep what the run is now as a version, and return its name; None where a version is the same."""
    if not has_checkpoints(run) or is_saved(run, config):
        return None
    name = version_name(run, f"after-{config.corpus or 'a-text'}", config)
    save_version(run, name)
    return name
