"""What happens inside a model on one text: pass by pass, at other depths, and with parts left out."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from data.errors import UsageError
from data.loader import IGNORED
from data.problems.problem import ANSWER_MARK
from data.problems.sampler import encode_problems
from data.tokenizer import Tokenizer
from models.depth import Depth, depth_name, distinct_depths, is_trained, mode_at
from models.generation.prompt import prompt_of_text
from models.layers.trace import Ablation, Pass
from models.recursive_lm import Output, RecursiveLM
from models.runs.load import LoadedModel
from models.runs.problems import load_problems

_GUESSES = 4


@dataclass(frozen=True, slots=True)
class Guess:
    """A token that a pass would write next."""

    text: str
    probability: float


@dataclass(frozen=True, slots=True)
class PassFigures:
    """One pass. Means are over the tokens of the text."""

    level: str
    number: int
    """Of this level, from 1."""
    norm: float
    """Root mean square of the state's D numbers."""
    change: float | None
    """Length of the step from the level's pass before, as a share of the state's length. None: the first."""
    cosine: float | None
    """Cosine between the two states. None: the first."""
    entropy: float
    """Of the prediction, in bits."""
    loss: float | None
    """Nats per token, or per label of a problem, if this pass were the last. None: there is nothing to
    predict."""
    halting: float | None
    """The halting score, 0 to 1, where there is one."""
    guesses: tuple[Guess, ...]
    """The likeliest next tokens after the text, if this pass were the last."""


@dataclass(frozen=True, slots=True)
class TokenFigures:
    """One token of the text."""

    text: str
    passes: float
    """Recursions that it took."""
    loss: float | None
    """Nats of surprise at it; of a problem, at what is asked for after it. None: the first token of a text,
    which nothing predicts, and where nothing is asked for."""


@dataclass(frozen=True, slots=True)
class SettingFigures:
    """The text at one depth."""

    depth: str
    """Cycles x steps, or cycles alone where the model has no steps."""
    mode: str | None
    """The name of the mode of this depth."""
    passes: float
    """Recursions of a token, the mean."""
    loss: float | None
    trained: bool
    """Whether training goes as deep."""
    guess: Guess


@dataclass(frozen=True, slots=True)
class AblationFigures:
    """The text with a part of the recursion left out."""

    name: str
    loss: float
    cost: float
    """Nats per token more than the whole model at the same depth."""


@dataclass(frozen=True, slots=True)
class TextTrace:
    """Everything about one text at one depth."""

    text: str
    cut_tokens: int
    """Tokens at the start that did not fit the context."""
    depth: str
    passes: tuple[PassFigures, ...]
    tokens: tuple[TokenFigures, ...]
    routed: bool
    """Whether tokens differ in the recursions that they take."""
    settings: tuple[SettingFigures, ...]
    ablations: tuple[AblationFigures, ...]


@torch.inference_mode()
def trace_text(loaded: LoadedModel, text: str, depth: Depth, *, with_ablations: bool = True) -> TextTrace:
    """Trace `text` through a model at `depth`. Raises UsageError where it has no token, and CorpusError as
    `load_problems`."""
    model, tokenizer = loaded.model, loaded.tokenizer
    ids = prompt_of_text(tokenizer, loaded.kind, text).ids
    cut = max(0, len(ids) - model.config.context_length)
    if not ids:
        raise UsageError("There is no text to trace.", hint="Give some with -p.")
    device = next(model.parameters()).device
    tokens = torch.tensor(ids[cut:], device=device)[None]  # (1, T)
    targets = _targets(loaded, text, ids)[cut:].to(device)  # (T,)
    output: Output = model(tokens, depth, trace=True)
    whole = _losses(output.logits, targets)
    parted = with_ablations and len(whole) > 0
    found = tuple(_figures_of_passes(output.trace, targets, tokenizer))
    taken = output.passes[0].tolist()
    surprise: list[float | None] = [None] * len(taken)
    after = 0 if loaded.kind == "problems" else 1  # a label is asked for after a token, and is none itself
    for place, loss in zip((targets != IGNORED).nonzero()[:, 0].tolist(), whole.tolist(), strict=True):
        surprise[place + after] = loss
    return TextTrace(
        text=text,
        cut_tokens=cut,
        depth=depth_name(model, depth),
        passes=found,
        tokens=tuple(
            TokenFigures(tokenizer.token_text(token), passes, loss)
            for token, passes, loss in zip(ids[cut:], taken, surprise, strict=True)
        ),
        routed=len(set(taken)) > 1,
        settings=tuple(_settings(model, tokens, targets, tokenizer)),
        ablations=tuple(_ablations(model, tokens, targets, depth, whole)) if parted else (),
    )


def _targets(loaded: LoadedModel, text: str, ids: Sequence[int]) -> Tensor:
    """What is to be predicted after each of `ids` (T,), IGNORED for nothing: the next token of a text; of a
    problem its labels and its answer, as in training, and nothing of what is no problem."""
    if loaded.kind != "problems":
        return torch.tensor([*ids[1:], IGNORED])
    task = load_problems(loaded.run, loaded.config, loaded.model.config.context_length, same=False)
    for given in (text, text.rpartition(ANSWER_MARK)[0]):
        with contextlib.suppress(UsageError):
            problem = task.read(given)
            length = 1 + len(problem.given) + len(problem.answer)
            row = encode_problems([problem], loaded.tokenizer, max(length, len(ids)))[0, 1]  # (T,)
            return torch.from_numpy(row[: len(ids)])
    return torch.full((len(ids),), IGNORED)


def _figures_of_passes(trace: Sequence[Pass], targets: Tensor, tokenizer: Tokenizer) -> Iterator[PassFigures]:
    before: dict[str, Tensor] = {}
    for one in trace:
        state, logits = one.state.float(), one.logits()  # (1, T, D), (1, T, V)
        previous = before.get(one.level)
        log_p = logits.log_softmax(-1)
        entropy = -(log_p.exp() * log_p).sum(-1) / torch.log(torch.tensor(2.0))  # (1, T)
        losses = _losses(logits, targets)
        yield PassFigures(
            level=one.level,
            number=one.number,
            norm=float(state.square().mean(-1).sqrt().mean()),
            change=None if previous is None else _relative_change(previous, state),
            cosine=None if previous is None else float(F.cosine_similarity(state, previous, dim=-1).mean()),
            entropy=float(entropy.mean()),
            loss=float(losses.mean()) if len(losses) else None,
            halting=None if one.halting is None else float(one.halting.mean()),
            guesses=_guesses(logits, tokenizer),
        )
        before[one.level] = state


def _relative_change(before: Tensor, after: Tensor) -> float:
    """Length of the step between two states (1, T, D), as a share of the second: the mean over tokens."""
    return float(((after - before).norm(dim=-1) / after.norm(dim=-1)).mean())


def _settings(
    model: RecursiveLM, tokens: Tensor, targets: Tensor, tokenizer: Tokenizer
) -> Iterator[SettingFigures]:
    """One for each depth that differs for this model."""
    for depth in distinct_depths(model):
        output = model(tokens, depth)
        losses = _losses(output.logits, targets)
        yield SettingFigures(
            depth=depth_name(model, depth),
            mode=mode_at(model, depth),
            passes=float(output.passes.mean()),
            loss=float(losses.mean()) if len(losses) else None,
            trained=is_trained(model, depth),
            guess=_guesses(output.logits, tokenizer)[0],
        )


def _ablations(
    model: RecursiveLM, tokens: Tensor, targets: Tensor, depth: Depth, whole: Tensor
) -> Iterator[AblationFigures]:
    """One for each part that this architecture can do without."""
    wanted = [(f"{level} frozen", Ablation(freeze=level)) for level in model.levels]
    wanted.append(("no input to the cycles", Ablation(drop_input=True)))
    cycles = model.passes(depth)
    wanted += [
        (f"without cycle {n} of {cycles}", Ablation(skip=frozenset({n}))) for n in range(1, cycles + 1)
    ]
    for name, ablation in wanted:
        try:
            model.require_possible(ablation, depth)
        except UsageError:
            continue  # this architecture has no such part
        if len(ablation.skip) == cycles:
            continue  # nothing would be left
        loss = float(_losses(model(tokens, depth, ablation=ablation).logits, targets).mean())
        yield AblationFigures(name, loss, loss - float(whole.mean()))


def _losses(logits: Tensor, targets: Tensor) -> Tensor:
    """Nats of surprise at each of `targets` (T,) that is there, by `logits` (1, T, V)."""
    is_asked = targets != IGNORED
    return F.cross_entropy(logits[0, is_asked].float(), targets[is_asked], reduction="none")


def _guesses(logits: Tensor, tokenizer: Tokenizer) -> tuple[Guess, ...]:
    top = logits[0, -1].float().softmax(-1).topk(min(_GUESSES, logits.size(-1)))
    return tuple(
        Guess(tokenizer.token_text(token), probability)
        for token, probability in zip(top.indices.tolist(), top.values.tolist(), strict=True)
    )
