"""Numbers as people read them."""

from hypothesis import given
from hypothesis import strategies as st

from rlm_cli import figures


@given(st.integers(0, 10**12))
def test_durations_read_back_to_the_seconds_they_stand_for(seconds: int) -> None:
    parts = [int(part) for part in figures.duration(seconds).split(":")]
    total = 0
    for part in parts:
        total = total * 60 + part
    assert total == seconds
    assert all(part < 60 for part in parts[1:])


@given(st.floats(0, 1e12, allow_subnormal=False))
def test_short_counts_stay_short(number: float) -> None:
    assert len(figures.short_count(number)) <= 6


def test_examples() -> None:
    assert figures.short_count(3_980_290) == "4.0M"
    assert figures.size(1_500_000) == "1.5 MB"
    assert figures.duration(3723) == "1:02:03"
    assert figures.loss(None) == figures.loss(float("nan")) == "-"
    assert figures.ago(0, now=7200) == "2 hours ago"
    assert figures.ago(100, now=50) == "just now"
