"""Which modes of a model training has visited, and what judging them costs."""

from models.recursion import DEFAULT_MODE, MODES, Depth, is_trained
from models.recursive_lm import RecursiveLM


def default_depth(model: RecursiveLM) -> Depth:
    """The depth of the default mode, or the trained one where that is less."""
    depth = MODES[DEFAULT_MODE]
    return depth if is_trained(model, depth) else model.trained_depth


def modes_by_worth(model: RecursiveLM) -> list[tuple[str, Depth]]:
    """The modes a model has, the default first, then the trained ones, then the others."""
    return sorted(
        model.modes().items(), key=lambda item: (not is_trained(model, item[1]), item[0] != DEFAULT_MODE)
    )


def final_cost_s(model: RecursiveLM, tokens: int, seconds_per_call_token: float) -> float:
    """Seconds that judging every trained mode on `tokens` tokens takes."""
    calls = sum(
        model.attention_calls(depth) for _, depth in modes_by_worth(model) if is_trained(model, depth)
    )
    return calls * tokens * seconds_per_call_token
