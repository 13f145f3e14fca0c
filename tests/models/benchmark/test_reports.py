"""Results that are written, read again, compared, and what follows from depths."""

import json
from html.parser import HTMLParser

import pytest

from data.errors import UsageError
from models.benchmark.compare import compare
from models.benchmark.depth import Measured, table_of, verdicts
from models.benchmark.puzzle_depth import share_interval
from models.benchmark.report import Column, Plot, Report, Table, from_json
from rlm_cli import report_view


def depth(name: str, nats: tuple[float, ...], seconds: float, mode: str | None = None) -> Measured:
    return Measured(name, mode, 3, True, nats, (seconds, seconds * 9, seconds))


def report(loss: float = 1.5, machine: str = "a laptop", kind: str = "depth") -> Report:
    columns = (
        Column("depth"), Column("block passes", "d"), Column("loss", ".3f", "lower"), Column("trained"),
    )  # fmt: skip
    rows = (("1", 3, loss, True), ("2", 4, 1.4, True), ("6 | <b>\x1b[31m", 8, None, False))
    table = Table("depth", "Loss at each depth", columns, rows, Plot("block passes", "loss"), rivals=True)
    return Report(kind, "book", {"machine": machine, "seed": 0}, (table,), ("It helps.",), ("A note.",))


def test_what_is_written_is_read_again() -> None:
    read = from_json(json.loads(json.dumps(report().to_json())))
    assert read.to_json() | {"tables": []} == report().to_json() | {"tables": []}
    (table,), (wanted,) = read.tables, report().tables
    assert (table.rows, table.columns) == (wanted.rows, wanted.columns)


@pytest.mark.parametrize("damage", [{"tables": [{"name": 1}]}, {"tables": 3}, {"format_version": 9}])
def test_another_file_is_refused(damage: dict[str, object]) -> None:
    for other in ({**report().to_json(), **damage}, damage, [], 3):
        with pytest.raises(UsageError, match="no result of a benchmark"):
            from_json(other)


@pytest.mark.parametrize(
    ("columns", "rows"),
    [
        (["", "zzz"], [["r", 1.5]]),
        (["", "300000000.1f"], [["r", 1.5]]),
        (["", "d"], [["r", 1.5]]),
        (["", ".1f"], [["r"]]),
        (["", ".1f"], [[]]),
        (["", ".1f"], [["r", 10**400]]),
        (["", ".1f"], "rows"),
        ([], []),
    ],
)  # fmt: skip
def test_a_damaged_table_is_refused(columns: list[str], rows: object) -> None:
    named = [{"name": f"c{number}", "format": form} for number, form in enumerate(columns)]
    table = {"name": "t", "title": "T", "columns": named, "rows": rows}
    with pytest.raises(UsageError, match="no result of a benchmark"):
        from_json({**report().to_json(), "tables": [table]})


def test_one_block_gives_no_interval() -> None:
    measured = [depth("1", (2.0,), 1.0), depth("2", (1.9,), 1.0)]
    assert "a single block" in verdicts(measured)[0]
    table = table_of(measured)
    assert table.column("±") == [None, None] and table.column("gains")[1] == pytest.approx(0.1)


def test_the_interval_of_a_share_is_wilsons() -> None:
    assert share_interval(0.0, 50) == pytest.approx(0.0357, abs=1e-4)
    assert share_interval(0.5, 100) == pytest.approx(0.0962, abs=1e-4)


def test_a_comparison_has_what_was_measured_and_says_what_differs() -> None:
    found = compare(report(1.5), report(3.0, "another"))
    assert found.tables[0].rows[0] == ("1", "loss", "1.500", "3.000", 2.0, "worse")
    assert found.tables[0].rows[1:] == (("2", "loss", "1.400", "1.400", 1.0, "the same"),)
    assert "better in 0 figures and worse in 1 figure" in found.verdicts[1]
    assert "two machines" in found.verdicts[0] and any("another" in note for note in found.notes)
    assert compare(report(), report()).notes == ()
    with pytest.raises(UsageError, match="a result of depth, the other of speed"):
        compare(report(), report(kind="speed"))


def test_returns_stop_where_nothing_deeper_is_better_by_more_than_chance() -> None:
    noise = (0.00, 0.02, -0.02, 0.01, -0.01)
    first = depth("1", tuple(2.0 + n for n in noise), 1.0, "fast")
    second = depth("2", tuple(1.9 + n for n in noise), 1.5, "normal")
    third = depth("3", tuple(1.9 + n for n in reversed(noise)), 2.0)
    fourth = depth("6", tuple(1.95 + n for n in noise), 3.0, "extreme")
    said = verdicts([first, second, third, fourth])
    assert said[0].startswith("Returns stop at 2 (normal)")
    assert "gains 0.1000 ± 0.0000" in said[1] and "1.5 times as long" in said[1]
    assert "6 (extreme)" in said[2] and "3" not in said[2]
    assert verdicts([first, fourth, first])[0].startswith("Returns stop at 6")
    assert verdicts([second, first])[0].startswith("No depth is better than 2 (normal)")
    assert "one depth" in verdicts([first])[0]
    rows = table_of([first, second]).rows
    assert rows[0][4] is None and rows[1][4] == pytest.approx(0.1) and rows[1][6] == pytest.approx(1.5e6)


class Links(HTMLParser):
    """Everything in a page that a browser would fetch or run."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "link", "img", "iframe", "object", "embed"):
            self.found.append(tag)
        self.found += [name for name, _ in attrs if name in ("src", "href") or name.startswith("on")]


def test_a_page_needs_no_network_and_shows_strange_names_safely() -> None:
    page = report_view.html_page(report())
    links = Links()
    links.feed(page)
    assert links.found == [] and "http" not in page and "url(" not in page and "@import" not in page
    assert "<b>" not in page and "\x1b" not in page
    for expected in ("It helps.", "A note.", "a laptop", "1.500", "<svg", "prefers-color-scheme"):
        assert expected in page


def test_markdown_has_every_row() -> None:
    page = report_view.markdown(report())
    assert "| 1 | 3 | 1.500 | yes |" in page and "\\| <b>" in page and "\x1b" not in page
    assert page.startswith("# Benchmark of depth: book\n\nIt helps.\n")
