"""Exponents, what is said of them, and the report that draws each cost beside its ideal."""

import math
from dataclasses import replace

import pytest

from models.benchmark.report_chart import chart_of_table
from models.benchmark.scan_growth import exponent, growths, verdicts
from models.benchmark.scan_points import Measured
from models.benchmark.scan_report import scan_report


def points(costs: dict[int, float], must: dict[str, float]) -> list[Measured]:
    """Training at sizes, whose counted parts grow with the given exponents."""
    return [
        Measured(
            size, {"training": cost}, {"training": {part: size**power for part, power in must.items()}}, 1.0
        )
        for size, cost in costs.items()
    ]


def test_exponents_are_slopes_of_logarithms() -> None:
    assert exponent((1, 2, 4), (3.0, 12.0, 48.0)) == pytest.approx(2.0)
    assert exponent((10, 1000), (5.0, 5.0)) == pytest.approx(0.0)
    (growth,) = growths("width", points({64: 1.0, 128: 4.0, 256: 16.0}, {"a": 0.0, "b": 1.0}))
    assert growth.exponent == pytest.approx(2.0) and growth.limit == pytest.approx(1.0)
    assert growth.ideal == pytest.approx((1.0, 129 / 65, 257 / 65))
    assert list(growths("width", points({64: 1.0}, {"a": 1.0}))) == []


def test_what_grows_faster_than_each_part_is_named_and_what_costs_more_is_not_accused() -> None:
    parts = {"the blocks": 0.0, "attention": 1.0}
    squared = points({size: 100 + size**2.0 for size in (128, 512, 2048)}, parts)
    (said,) = verdicts(list(growths("context", squared)))
    assert said.startswith("Training by context grows faster than it must: at the end with the exponent 2.0")
    assert said.endswith("that of attention is 1.00. At 2,048 it is 4.19e+06 s a token.")
    slow_head = points({size: 1000.0 + size for size in (100, 1000, 10000)}, {"the head": 1.0, "rest": 0.0})
    fine, dear = verdicts(list(growths("vocabulary", _with_rest(slow_head, 10_000.0))))
    assert fine == "Nothing grows faster than it must along vocabulary."
    assert "times as much as what is counted: operations of the head take longer" in dear
    out_of_cache = points({64: 1.0, 128: 1.5, 256: 3.8, 512: 28.0, 1024: 131.0}, {"the blocks": 2.0})
    assert verdicts(list(growths("width", out_of_cache))) == [
        "Nothing grows faster than it must along width."
    ]
    few = list(growths("width", points({64: 1.0, 128: 9.0}, {"a": 1.0})))
    assert verdicts(few) == ["Too few sizes to judge: width."]


def _with_rest(measured: list[Measured], rest: float) -> list[Measured]:
    return [replace(one, must={"training": {**one.must["training"], "rest": rest}}) for one in measured]


def test_the_report_draws_each_cost_beside_its_ideal() -> None:
    report = scan_report(
        "x", {}, {"width": points({64: 1e-3, 128: 3e-3, 256: 9e-3}, {"a": 2.0})}, ["A note."]
    )
    training, summary = report.tables
    assert training.column("times the first") == pytest.approx([1.0, 3.0, 9.0])
    assert training.column("ideal") == pytest.approx([1.0, 4.0, 16.0])
    assert training.column("tokens/s") == pytest.approx([1000.0, 1000 / 3, 1000 / 9])
    assert summary.rows[0][:2] == ("Training by width", "64 to 256")
    assert summary.rows[0][2:] == pytest.approx((math.log(3, 2), 2.0, 9 / 16))
    chart = chart_of_table(training)
    assert chart is not None and chart.x.log and chart.y.log
    lines = {one.name: one for one in chart.series if one.kind == "line"}
    assert lines["ideal"].points == ((64.0, 1.0), (128.0, 4.0), (256.0, 16.0))
    assert lines["ideal"].number != lines["times the first"].number
    assert report.notes[-1] == "A note."
