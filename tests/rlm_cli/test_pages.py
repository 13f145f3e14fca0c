"""Every web page that rlm writes loads nothing, runs nothing, and opens in a browser without a complaint."""

import re
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from data.sudoku_kind import SudokuKind
from models.analysis.trace import trace_text
from models.benchmark.candidates import Candidate
from models.benchmark.compare import compare
from models.benchmark.learn_report import learn_report
from models.charts.chart import Series, chart_of
from models.depth import MODES
from models.generation.solver import Solution
from rlm_cli.plot.draw import file_content
from rlm_cli.puzzle_page import puzzle_page
from rlm_cli.report_view import html_page
from rlm_cli.trace_page import trace_page
from tests.models.analysis.test_trace_text import TEXT, loaded
from tests.models.benchmark.test_learn import outcome
from tests.models.benchmark.test_reports import report
from tests.rlm_cli.browser import CHROMIUM, complaints

HOSTILE = '</style><script>alert("x")</script><img src=//example.org/a>\x1b[2J\N{RIGHT-TO-LEFT OVERRIDE}'


def learn_page() -> str:
    dense = Candidate("dense-3", {}, 100, 10, 1e6)
    looped = Candidate("looped", {}, 105, 10, 2e6, equal_parameters="dense-3", equal_compute="dense-3")
    outcomes = [
        outcome(name, seed, 1.4 + loss)
        for name, loss in (("dense-3", 0.1), ("looped", 0.0))
        for seed in (0, 1)
    ]
    return html_page(learn_report(HOSTILE, "3 steps", False, [looped, dense], outcomes, {"seeds": 2}))


def puzzle() -> str:
    clues = np.array([1, 0, 0, 0, 0, 0, 3, 0, 0, 4, 0, 0, 0, 0, 0, 2], dtype=np.uint8)
    wrong, right = (
        np.array([*map(int, one)], dtype=np.uint8) for one in ("1342423124133142", "1324423124133142")
    )
    failed = Solution(clues, wrong, False, right, 1, 0.4, (wrong,))
    solved = Solution(clues, right, True, right, 2, 0.9, (wrong, right))
    return puzzle_page([solved, failed], HOSTILE, SudokuKind())


@pytest.fixture(scope="module")
def pages() -> Mapping[str, str]:
    routed, two_levels = loaded("mixture_of_recursions"), loaded("hrm")
    series = [Series(HOSTILE, ((1.0, 2.0), (2.0, 1.5)), 0, kind) for kind in ("line", "marks")]
    chart = chart_of(series, x_label="step", y_label="loss", is_time=False, log=False)
    return {
        "plot": file_content(chart, Path("plot.html"), HOSTILE).decode(),
        "trace": trace_page(trace_text(two_levels, TEXT, MODES["deep"]), HOSTILE, "deep"),
        "routed": trace_page(trace_text(routed, TEXT, MODES["deep"]), "a run", "deep"),
        "one token": trace_page(trace_text(two_levels, "a", MODES["normal"]), "a run", "normal"),
        "puzzle": puzzle(),
        "learn": learn_page(),
        "depth": html_page(report()),
        "compare": html_page(compare(report(), report(2.0, HOSTILE))),
    }


class Links(HTMLParser):
    """Everything in a page that a browser would fetch or run."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "link", "img", "iframe", "object", "embed", "base", "form"):
            self.found.append(tag)
        self.found += [name for name, _ in attrs if name in ("src", "href") or name.startswith("on")]


def test_a_page_loads_and_runs_nothing_and_is_light_or_dark(pages: Mapping[str, str]) -> None:
    for name, page in pages.items():
        links = Links()
        links.feed(page)
        assert links.found == [], name
        styles = "".join(re.findall(r"<style>(.*?)</style>", page, re.DOTALL))
        assert not re.search(r"url\(|@import|//", styles), name
        assert "\x1b" not in page and "\N{RIGHT-TO-LEFT OVERRIDE}" not in page
        assert "prefers-color-scheme: dark" in styles and page.count("<style>") == 1


def test_a_page_of_a_trace_shows_all_that_was_found(pages: Mapping[str, str]) -> None:
    trace = pages["trace"]
    for expected in (
        "Entropy in bits", "Change from the pass before", "Halting score", "low", "high", "beyond training",
        "low frozen", "without cycle 2 of 3", "no input to the cycles", "the loss <b>",
        "Every token takes 3 passes",
    ):  # fmt: skip
        assert expected in trace, expected
    assert trace.count('<span class="loss') == len(TEXT) + 8 and 'class="passes' not in trace
    assert 'class="passes7"' in pages["routed"] and "passes that each token takes" in pages["routed"]
    assert "Loss" not in pages["one token"].split("<svg")[1]


def test_a_page_of_a_puzzle_shows_each_step_and_what_is_wrong(pages: Mapping[str, str]) -> None:
    page = pages["puzzle"]
    assert "<b>Solved</b> in 2 steps" in page and "<b>Not solved</b> in 1 step, 40% sure" in page
    assert page.count('class="grid"') == 3 and page.count('class="clue') == 3 * 4
    assert "Step 2: 2 cells changed" in page and page.count('class="changed') == 2


def test_what_is_better_stands_out(pages: Mapping[str, str]) -> None:
    assert '<b class="good">better by 0.1000</b>' in pages["learn"]
    assert '<b class="bad">worse</b>' in pages["compare"]
    assert '<b class="good">1.400</b>' in pages["depth"]


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
def test_every_page_opens_in_a_browser(pages: Mapping[str, str], tmp_path: Path) -> None:
    written = []
    for name, page in pages.items():
        written.append(tmp_path / f"{name}.html")
        written[-1].write_text(page, encoding="utf-8")
    assert complaints(written, tmp_path / "browser") == []
    broken, curious = tmp_path / "broken.html", tmp_path / "curious.html"
    broken.write_text("<!doctype html><script>throw new Error('broken')</script>", encoding="utf-8")
    curious.write_text('<!doctype html><img src="http://example.invalid/a.png">', encoding="utf-8")
    found = complaints([broken, curious], tmp_path / "again")
    assert any("broken" in one for one in found), "an error is seen"
    assert "http://example.invalid/a.png" in found, "a request is seen"
