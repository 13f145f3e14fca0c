"""The shell of every web page that rlm writes: one file without a script or a network, light or dark as the
reader is."""

from collections.abc import Container, Iterable, Sequence
from html import escape

from data.safe_text import safe_text
from rlm_cli.plot.palette import DARK, LIGHT, Palette
from rlm_cli.plot.svg_chart import STYLE as CHART_STYLE


def _variables(colors: Palette) -> str:
    names = ("page", "band", "line", "text", "soft", "accent", "good", "bad")
    return " ".join(f"--{name}: {getattr(colors, name)};" for name in names)


_STYLE = f"""
:root {{ color-scheme: light dark; {_variables(LIGHT)} }}
@media (prefers-color-scheme: dark) {{ :root {{ {_variables(DARK)} }} }}
body {{ font: 16px/1.5 system-ui, sans-serif; color: var(--text); background: var(--page);
  margin: 2rem auto; max-width: 64rem; padding: 0 1rem; }}
h1 {{ font-size: 1.5rem; margin-bottom: 0.2rem; overflow-wrap: anywhere; }}
h2 {{ font-size: 1.1rem; margin: 2rem 0 0.5rem; }}
.finding {{ border-left: 4px solid var(--accent); background: var(--band); padding: 0.5rem 1rem;
  margin: 0.5rem 0; }}
.finding.good {{ border-color: var(--good); }}
.finding.bad {{ border-color: var(--bad); }}
.good b, b.good, td.good {{ color: var(--good); }}
.bad b, b.bad, td.bad {{ color: var(--bad); }}
td.good, td.bad {{ font-weight: 600; }}
.scroll {{ overflow-x: auto; margin: 0.5rem 0; }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; }}
th, td {{ padding: 0.3rem 0.6rem; border-bottom: 1px solid var(--line); text-align: left; }}
td {{ white-space: nowrap; }}
th {{ color: var(--soft); font-weight: 600; }}
.right {{ text-align: right; }}
.soft {{ color: var(--soft); font-size: 0.9rem; }}
svg {{ display: block; width: 100%; height: auto; }}
.charts {{ display: grid; gap: 0.5rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); }}
"""


def page(title: str, parts: Iterable[str], *, style: str = "") -> str:
    """A page of `parts`, which are HTML, under `title`, which may be foreign text. `style` is more CSS."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{text(title)}</title>\n<style>{_STYLE}{CHART_STYLE}{style}</style>\n</head>\n"
        f"<body>\n<h1>{text(title)}</h1>\n" + "\n".join(parts) + "\n</body>\n</html>\n"
    )


def text(content: str) -> str:
    """Foreign text as HTML that shows it."""
    return escape(safe_text(content))


def finding(content: str, kind: str = "") -> str:
    """A sentence, which is HTML, that a reader must see first. `kind` is "good", "bad" or empty."""
    return f'<p class="finding {kind}">{content}</p>'


def note(content: str) -> str:
    """Foreign text that matters less."""
    return f'<p class="soft">{text(content)}</p>'


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], right: Container[str] = ()) -> str:
    """A table. `columns` are foreign text. Cells are HTML, or whole elements that begin with "<td". The
    columns of `right` are aligned there."""
    sides = [' class="right"' if name in right else "" for name in columns]
    head = "".join(f"<th{side}>{text(name)}</th>" for name, side in zip(columns, sides, strict=True))
    body = "\n".join(
        f"<tr>{''.join(_cell(cell, side) for cell, side in zip(row, sides, strict=True))}</tr>"
        for row in rows
    )
    return f'<div class="scroll"><table>\n<tr>{head}</tr>\n{body}\n</table></div>'


def _cell(content: str, side: str) -> str:
    return f"<td{side}>{content}</td>"
