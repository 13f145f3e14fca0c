"""What `rlm trace` found, as one web page: the passes as pictures, and the text coloured."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from data.wording import counted
from models.analysis.trace_charts import pass_charts
from models.analysis.trace_tables import figure, pass_table, visible
from rlm_cli.page import finding, note, page, table, text
from rlm_cli.plot.svg_chart import SMALL, svg_element

if TYPE_CHECKING:
    from models.analysis.trace import Guess, PassFigures, TextTrace, TokenFigures

_SHADES = 8
_STYLE = (
    """
.traced { white-space: pre-wrap; overflow-wrap: anywhere; line-height: 1.9; background: var(--band);
  padding: 0.8rem 1rem; margin: 0.5rem 0; }
.traced span, .scale span { padding: 0.15em 0; border-radius: 2px; }
.scale span { padding: 0.15em 0.7em; }
.bar { display: inline-block; height: 0.7em; margin-right: 0.4em; border-radius: 2px;
  background: var(--accent); }
.bar.bad { background: var(--bad); }
.bar.good { background: var(--good); }
"""
    + "\n".join(
        f".loss{shade} {{ background: rgba(217, 60, 30, {0.75 * shade / (_SHADES - 1):.2f}) }}\n"
        f".passes{shade} {{ background: rgba(37, 99, 201, {0.75 * shade / (_SHADES - 1):.2f}) }}"
        for shade in range(_SHADES)
    )
    + "\n"
)
"""The shades of a token lie thinly over the page, so that they fit light and dark."""


def trace_page(found: "TextTrace", run: str, mode: str) -> str:
    """A trace as a page of its own, with no script and no network."""
    return page(f"Trace of {run} at mode {mode}", _parts(found), style=_STYLE)


def _parts(found: "TextTrace") -> Iterator[str]:
    cut = f"; the first {found.cut_tokens:,} did not fit the context" if found.cut_tokens else ""
    yield note(f"Depth {found.depth}, {len(found.tokens):,} tokens{cut}. Losses are in nats per token.")
    yield from _findings(found)
    if len(found.tokens) > 1:
        yield "<h2>The text, by how much each token surprises the model</h2>"
        yield from _colored(found.tokens, "loss", lambda token: token.loss, "nats")
    if found.routed:
        yield "<h2>The text, by the passes that each token takes</h2>"
        yield from _colored(found.tokens, "passes", lambda token: token.passes, "passes")
    else:
        yield note(f"Every token takes {counted(found.tokens[0].passes, 'pass')}.")
    yield "<h2>Pass by pass</h2>"
    yield _charts(found.passes)
    yield "<h2>The guesses as they form: the next token, if each pass were the last</h2>"
    yield _guesses(found.passes)
    yield "<h2>The same text at other depths</h2>"
    yield _settings(found)
    if found.ablations:
        yield f"<h2>What each part is worth at depth {text(found.depth)}</h2>"
        yield _ablations(found)
    yield "<h2>All figures of the passes</h2>"
    yield _figures(found)


def _findings(found: "TextTrace") -> Iterator[str]:
    """What a reader must see first."""
    losses = [one.loss for one in found.passes if one.loss is not None and math.isfinite(one.loss)]
    if len(losses) > 1:
        first, last = losses[0], losses[-1]
        falls = last < first
        yield finding(
            f"From the first pass to the last, the loss <b>{'falls' if falls else 'rises'}</b> "
            f"from {first:.3f} to {last:.3f}.",
            "good" if falls else "bad",
        )
    measured = [one for one in found.settings if one.loss is not None]
    if len(measured) > 1:
        best = min(measured, key=lambda one: one.loss or 0.0)
        name = f"{best.depth} ({best.mode})" if best.mode else best.depth
        beyond = "" if best.trained else ", which is deeper than training goes"
        yield finding(f"The depth with the lowest loss on this text is <b>{text(name)}</b>{beyond}.")
    worst = max(found.ablations, key=lambda one: one.cost, default=None)
    if worst is not None and worst.cost > 0:
        yield finding(f"The largest cost: <b>{text(worst.name)}</b>, {worst.cost:+.3f} nats.", "good")
    harmful = [one for one in found.ablations if one.cost < 0]
    if harmful:
        names = ", ".join(f"<b>{text(one.name)}</b> ({one.cost:+.3f})" for one in harmful)
        yield finding(f"What makes the loss on this text lower: {names}.", "bad")
    if len(found.tokens) > 1:
        yield note("This is one text. To measure depths on the held-out text: rlm benchmark depth")


def _colored(
    tokens: "Sequence[TokenFigures]", kind: str, figure: "Callable[[TokenFigures], float | None]", unit: str
) -> Iterator[str]:
    """The tokens, each with a shade, and the scale of the shades. Loss begins at 0, passes at their least."""
    known = [value for token in tokens if (value := figure(token)) is not None and math.isfinite(value)]
    low, high = (0.0 if kind == "loss" else min(known, default=0.0)), max(known, default=1.0)
    spans = []
    for token in tokens:
        value = figure(token)
        share = 0.0 if value is None or not math.isfinite(value) else (value - low) / max(1e-9, high - low)
        title = f"{token.passes:g} passes" + ("" if token.loss is None else f", loss {token.loss:.3f}")
        shown = text(token.text).replace("\n", "⏎\n")
        spans.append(f'<span class="{kind}{round(share * (_SHADES - 1))}" title="{title}">{shown}</span>')
    yield f'<div class="traced">{"".join(spans)}</div>'
    shades = "".join(f'<span class="{kind}{shade}">&nbsp;</span>' for shade in range(_SHADES))
    yield f'<p class="soft scale">{low:.3g} {shades} {high:.3g} {unit}. Point at a token for its figures.</p>'


def _charts(passes: "Sequence[PassFigures]") -> str:
    drawn = (svg_element(chart, name.capitalize(), SMALL) for name, chart in pass_charts(passes).items())
    return f'<div class="charts">{"".join(drawn)}</div>'


def _guesses(passes: "Sequence[PassFigures]") -> str:
    most = max((len(one.guesses) for one in passes), default=0)
    return table(
        ("level", "pass", *map(str, range(1, most + 1))),
        (
            [text(one.level), str(one.number), *map(_guess, one.guesses), *[""] * (most - len(one.guesses))]
            for one in passes
        ),
        right=("pass",),
    )


def _guess(guess: "Guess") -> str:
    return f"{_bar(guess.probability)}<b>{text(visible(guess.text))}</b> {guess.probability:.0%}"


def _bar(share: float, kind: str = "") -> str:
    return f'<span class="bar {kind}" style="width: {4 * min(1.0, share):.2f}em"></span>'


def _settings(found: "TextTrace") -> str:
    losses = [one.loss for one in found.settings if one.loss is not None]
    best = min(losses, default=None)
    rows = []
    for one in found.settings:
        loss = figure(one.loss, ".3f")
        rows.append(
            (
                text(one.depth) + (" (this page)" if one.depth == found.depth else ""),
                text(one.mode or "") + ("" if one.trained else " (beyond training)"),
                f"{one.passes:.2f}",
                f'<b class="good">{loss}</b>' if one.loss == best and len(losses) > 1 else loss,
                _guess(one.guess),
            )
        )
    return table(("depth", "mode", "passes", "loss", "next"), rows, right=("passes", "loss"))


def _ablations(found: "TextTrace") -> str:
    most = max(abs(one.cost) for one in found.ablations) or 1.0
    return table(
        ("left out", "loss", "costs", ""),
        (
            (text(one.name), f"{one.loss:.3f}", f"{one.cost:+.3f}", _cost_bar(one.cost, most))
            for one in found.ablations
        ),
        right=("loss", "costs"),
    )


def _cost_bar(cost: float, most: float) -> str:
    """As long as the cost. A part that is worth something is good, one that does harm is bad."""
    word = "loss rises" if cost > 0 else "loss falls"
    return f"{_bar(2 * abs(cost) / most, 'good' if cost > 0 else 'bad')} {word}"


def _figures(found: "TextTrace") -> str:
    shown = pass_table(found, with_guesses=False)
    return table(shown.columns, (tuple(map(text, row)) for row in shown.rows), right=shown.right)
