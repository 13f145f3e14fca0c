"""Numbers, sizes and times as text."""

from hypothesis import given
from hypothesis import strategies as st

from data.format import (
    format_age,
    format_clock,
    format_clock_seconds,
    format_duration,
    format_loss,
    format_short_count,
)


@given(st.integers(0, 10**12))
def test_durations_parse_back_to_their_seconds(seconds: int) -> None:
    parts = [int(part) for part in format_duration(seconds).split(":")]
    total = 0
    for part in parts:
        total = total * 60 + part
    assert total == seconds
    assert all(part < 60 for part in parts[1:])


@given(st.floats(0, 1e12, allow_subnormal=False))
def test_short_counts_stay_short(number: float) -> None:
    assert len(format_short_count(number)) <= 6


def test_formatted_examples() -> None:
    assert format_short_count(3_980_290) == "4.0M"
    assert format_duration(3723) == "1:02:03"
    assert format_loss(None) == format_loss(float("nan")) == "-"
    assert len(format_clock(1000, now=1000)) == 5
    assert len(format_clock(1000 + 86_400, now=1000)) == 9
    assert format_age(1, now=7201) == "2 hours ago"
    assert format_age(0.0) == "-"
    assert format_age(100, now=50) == "just now"


@given(st.floats())
def test_whatever_a_log_holds_is_a_short_text(number: float) -> None:
    texts = [format_clock(number), format_clock_seconds(number), format_loss(number), format_duration(number)]
    assert all(len(text) <= 20 for text in texts)
