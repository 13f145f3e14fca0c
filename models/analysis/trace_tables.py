"""What a trace found, as tables of texts for both front ends. Torch-free."""

from collections import Counter
from typing import TYPE_CHECKING

from data.text_table import TextTable

if TYPE_CHECKING:
    from models.analysis.trace import Guess, TextTrace

_VISIBLE = str.maketrans({"\n": "⏎", "\t": "⇥"})


def pass_table(found: "TextTrace", *, with_guesses: bool = True) -> TextTable:
    """A row for each pass, in the order they run."""
    halting = any(one.halting is not None for one in found.passes)
    rows = [
        (
            one.level,
            str(one.number),
            f"{one.norm:.2f}",
            figure(one.change, ".0%"),
            figure(one.cosine, ".3f"),
            f"{one.entropy:.2f}",
            figure(one.loss, ".3f"),
            *([figure(one.halting, ".2f")] if halting else []),
            *(["  ".join(map(guess_words, one.guesses))] if with_guesses else []),
        )
        for one in found.passes
    ]
    numbers = ("norm", "change", "cosine", "entropy", "loss", *(["halting"] if halting else []))
    optional = ("cosine", "norm", "entropy", "change", *(["halting"] if halting else []))
    more = ("next",) if with_guesses else ()
    return TextTable(("level", "pass", *numbers, *more), rows, ("pass", *numbers), optional, more)


def setting_table(found: "TextTrace") -> TextTable:
    """A row for each depth that differs for the model."""
    rows = [
        (
            one.depth,
            f"{one.mode or ''}{'' if one.trained else ' (beyond training)'}".strip(),
            f"{one.passes:.2f}",
            figure(one.loss, ".3f"),
            guess_words(one.guess),
        )
        for one in found.settings
    ]
    return TextTable(
        ("depth", "mode", "passes", "loss", "next"),
        rows,
        right=("passes", "loss"),
        optional=("depth", "next", "passes"),
        wrap=("mode",),
    )


def ablation_table(found: "TextTrace") -> TextTable:
    """A row for each part that was left out."""
    rows = [(one.name, f"{one.loss:.3f}", f"{round(one.cost, 3) + 0.0:+.3f}") for one in found.ablations]
    return TextTable(("left out", "loss", "costs"), rows, right=("loss", "costs"), optional=("loss",))


def tokens_by_passes(found: "TextTrace") -> dict[float, int]:
    """How many tokens took how many passes, fewest passes first."""
    return dict(sorted(Counter(token.passes for token in found.tokens).items()))


def guess_words(guess: "Guess") -> str:
    """A guess and its probability."""
    return f"{visible(guess.text)} {guess.probability:.0%}"


def visible(text: str) -> str:
    """The text of a token in one line, with a sign where it would be seen as nothing."""
    return "␣" if text == " " else text.translate(_VISIBLE)


def figure(value: float | None, form: str) -> str:
    """A number in a format; nothing where there is none."""
    return "" if value is None else format(value, form)
