"""Whether a run is sound: its files, what its model computes, and the losses that were recorded.

Nothing here knows an architecture. A text model is asked for its modes, a puzzle model for its supervision
steps.
"""

from collections.abc import Iterator

from data.errors import CorpusError, RlmError
from models.analysis.soundness.files import check_checkpoints, check_round_trip, check_weights
from models.analysis.soundness.held_out import HeldOut, held_out_puzzles, open_held_out
from models.analysis.soundness.logits import check_cache, check_causality, check_depth, check_puzzle_depth
from models.analysis.soundness.recorded_loss import (
    check_losses,
    check_problem_losses,
    check_puzzle_loss,
)
from models.analysis.soundness.result import CheckResult
from models.architectures.puzzle_model import PuzzleModel
from models.errors import CheckpointError, RunError
from models.generation.solver import load_solver
from models.recursive_lm import RecursiveLM
from models.runs.checkpoint_folder import newest_checkpoint
from models.runs.compatibility import model_config_of
from models.runs.evaluation import Evaluation, PuzzleEvaluation
from models.runs.load import load_model, require_trained
from models.runs.pending_change import config_of_weights
from models.runs.problems import load_problems
from models.runs.run import Run
from models.runs.run_config import RunConfig
from models.runs.tokenizer import copies_inside, load_run_tokenizer

CHECKS = ("checkpoints", "tokenizer", "weights", "causality", "cache", "depth", "loss")
"""In the order in which `verify` makes them."""
LOSS_TIME_S = 8.0
"""Seconds that measuring the losses again takes, about."""
_WHOLE_GRID = "a puzzle is read as a whole, by design"


def verify(run: Run, device: str = "cpu", *, loss_time_s: float = LOSS_TIME_S) -> Iterator[CheckResult]:
    """Check the run, and change nothing in it. Each result comes as soon as it is known.

    Raises RunError where nothing is trained yet, CheckpointError where the weights are missing, UsageError
    for a `device` that is not there.
    """
    config = run.config()
    require_trained(run, config)
    config = config_of_weights(run, config)
    model, problem = None, None
    try:
        model = load_solver(run, device).model if config.solves_puzzles else load_model(run, config, device)
    except CheckpointError as error:
        if not run.weights_path.exists():
            raise
        problem = error
    yield check_checkpoints(run)
    tokenizer, part = _check_tokenizer(run, config)
    yield tokenizer
    weights = _unusable_weights(problem) if model is None else check_weights(run, model)
    yield weights
    if model is None or weights.verdict != "sound":
        for check in CHECKS[CHECKS.index("weights") + 1 :]:
            yield CheckResult(check=check, verdict="not measured", found="the weights cannot be used")
    elif config.solves_puzzles:
        yield from _puzzle_results(run, config, model, loss_time_s)
    else:
        yield from _text_results(run, config, model, part, loss_time_s)


def _text_results(
    run: Run, config: RunConfig, model: RecursiveLM, part: HeldOut | None, loss_time_s: float
) -> Iterator[CheckResult]:
    yield check_causality(model)
    yield check_cache(model)
    yield check_depth(model)
    evaluation = _evaluation(run)
    if isinstance(evaluation, CheckResult):
        yield evaluation
    elif part is not None and isinstance(evaluation, Evaluation) and config.answers_problems:
        yield from _problem_losses(run, config, model, evaluation, part)
    elif part is None or not part.parts:
        yield _no_loss("the text that was held out is not there any more")
    elif isinstance(evaluation, Evaluation):
        yield from check_losses(model, evaluation, part.parts, loss_time_s)


def _problem_losses(
    run: Run, config: RunConfig, model: RecursiveLM, evaluation: Evaluation, part: HeldOut
) -> Iterator[CheckResult]:
    try:
        task = load_problems(run, config, model.config.context_length)
    except CorpusError as error:
        yield _no_loss(error.message.removesuffix("."))
        return
    yield from check_problem_losses(model, evaluation, task, part.tokenizer)


def _puzzle_results(
    run: Run, config: RunConfig, model: RecursiveLM, loss_time_s: float
) -> Iterator[CheckResult]:
    assert isinstance(model, PuzzleModel)
    yield CheckResult(check="causality", verdict="not applicable", found=_WHOLE_GRID)
    yield CheckResult(check="cache", verdict="not applicable", found=_WHOLE_GRID)
    yield check_puzzle_depth(model)
    evaluation = _evaluation(run)
    if isinstance(evaluation, CheckResult):
        yield evaluation
        return
    try:
        puzzles = held_out_puzzles(run, config)
    except RlmError as error:
        yield _no_loss(error.message.removesuffix("."))
        return
    if isinstance(evaluation, PuzzleEvaluation):
        yield check_puzzle_loss(model, evaluation, puzzles, loss_time_s)


def _check_tokenizer(run: Run, config: RunConfig) -> tuple[CheckResult, HeldOut | None]:
    """The result, and what was held out of the run's text as the tokenizer encodes it."""
    if config.solves_puzzles:
        found = "a puzzle model reads cells and has no tokenizer"
        return CheckResult(check="tokenizer", verdict="not applicable", found=found), None
    try:
        tokenizer, note = load_run_tokenizer(run, config, model_config_of(run, config).vocab_size)
        part = open_held_out(run, config, tokenizer)
        inside = next((copy for path, copy in copies_inside(run) if path == run.weights_path), None)
        if note is None and inside is not None and inside.hash != tokenizer.hash:
            note = "tokenizer.json is not the tokenizer that the weights were saved with"
        if note is None:
            return check_round_trip(tokenizer, part), part
        problem = note
    except RlmError as error:
        problem, part = error.message, None
    advice = f"Repair it: {{recover-tokenizer {run.in_command}}}"
    found = problem.removesuffix(".")
    return CheckResult(check="tokenizer", verdict="not sound", found=found, advice=advice), part


def _evaluation(run: Run) -> Evaluation | PuzzleEvaluation | CheckResult:
    """What evaluation.json holds of the weights as they are, or why nothing can be compared with it."""
    try:
        evaluation = run.evaluation()
    except RunError as error:
        found = error.message.removesuffix(".")
        return CheckResult(check="loss", verdict="not sound", found=found, advice=error.hint or "")
    if evaluation is None:
        return _no_loss("no loss is recorded: evaluation.json is written when a training ends")
    newest, best = newest_checkpoint(run.checkpoints_path), run.history().best
    steps = {one.step for one in (best,) if one is not None}
    if newest is not None:
        steps.add(newest.state.counters.best_step)
    if steps - {evaluation.step}:
        return _no_loss(f"evaluation.json is of step {evaluation.step:,}, and training went on since")
    return evaluation


def _unusable_weights(problem: CheckpointError | None) -> CheckResult:
    assert problem is not None
    found, advice = problem.message.removesuffix("."), problem.hint or ""
    return CheckResult(check="weights", verdict="not sound", found=found, advice=advice)


def _no_loss(why: str) -> CheckResult:
    return CheckResult(check="loss", verdict="not measured", found=why)
