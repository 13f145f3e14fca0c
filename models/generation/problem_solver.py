"""Answer problems with a trained model, at any depth."""

from dataclasses import dataclass

from data.errors import UsageError
from data.problems.problem import ANSWER_MARK, Problem, ProblemTask
from data.tokenizer import Tokenizer
from models.depth import Depth, is_trained
from models.errors import RunError
from models.generation.generate import GeneratedToken, generate
from models.generation.settings import GenerationConfig
from models.recursive_lm import RecursiveLM
from models.runs.load import LoadedModel, load_run
from models.runs.problems import load_problems
from models.runs.run import Run

_LONGEST_ANSWER = 64
"""Characters; no kind of problem has a longer answer."""


@dataclass(frozen=True, slots=True)
class ProblemSolver:
    """A loaded model of problems."""

    loaded: LoadedModel
    task: ProblemTask

    @property
    def modes(self) -> dict[str, Depth]:
        """The modes that the model has, the shallowest first."""
        return self.loaded.model.modes()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model writes after a problem, at one depth."""

    text: str
    right: bool
    passes: float
    """Recursions of a token of the answer, on average."""
    trained: bool
    """Whether training uses this depth."""


def load_problem_solver(run: Run, device: str = "cpu") -> ProblemSolver:
    """Load the run's best weights. Raises RunError for a run that learned no problems, and as `load_run` and
    `load_problems`."""
    config = run.config()
    config.require_problems(run.path)
    loaded = load_run(run, device)
    task = load_problems(run, config, loaded.model.config.context_length, same=False)
    if loaded.tokenizer.unk_id in loaded.tokenizer.encode(task.alphabet):
        raise RunError(
            f"Run '{run.name}' did not learn {task.name}: its tokenizer lacks characters of it.",
            hint="Put the config.json back that it was trained with.",
        )
    return ProblemSolver(loaded, task)


def require_room(solver: ProblemSolver, problem: Problem) -> None:
    """Raise UsageError for a problem that is longer, with its answer, than the model's context."""
    length, context = 1 + len(problem.given) + len(problem.answer), solver.loaded.model.config.context_length
    if length > context:
        raise UsageError(
            f"The problem and its answer have {length:,} tokens, and run '{solver.loaded.run.name}' sees "
            f"{context:,} at once.",
            hint="Give it a shorter one.",
        )


def answer_problem(solver: ProblemSolver, problem: Problem, depth: Depth) -> Answer:
    """The model's answer at `depth`. Raises as `require_room`."""
    require_room(solver, problem)
    model = solver.loaded.model
    tokens = _continuation(model, solver.loaded.tokenizer, problem.given, depth)
    text, passes = "".join(token.text for token in tokens), sum(token.passes for token in tokens)
    return Answer(text, text == problem.answer, passes / len(tokens), is_trained(model, depth))


def write_answer(model: RecursiveLM, given: str, tokenizer: Tokenizer, depth: Depth) -> str:
    """The likeliest continuation of `given` up to the token for the end; the mark may be missing."""
    return "".join(token.text for token in _continuation(model, tokenizer, given, depth))


def _continuation(model: RecursiveLM, tokenizer: Tokenizer, given: str, depth: Depth) -> list[GeneratedToken]:
    prompt = [tokenizer.bos_id, *tokenizer.encode(given.removesuffix(ANSWER_MARK) + ANSWER_MARK).tolist()]
    config = GenerationConfig(max_tokens=_LONGEST_ANSWER, temperature=0.0)
    was_training = model.training
    model.eval()
    try:
        return list(generate(model, tokenizer, [prompt], depth, config))
    finally:
        model.train(was_training)
