"""What a generator returns and yields, run to its end or with its values converted."""

from collections.abc import Generator

import pytest

from data.progress import convert_yields, result_of


def counted(number: int, closed: list[str]) -> Generator[int, None, str]:
    try:
        yield from range(number)
    finally:
        closed.append("closed")
    return "the end"


def test_the_result_of_a_generator_is_what_it_returns() -> None:
    assert result_of(counted(3, [])) == "the end"


def test_an_error_in_a_generator_is_raised() -> None:
    def failing() -> Generator[int, None, str]:
        yield 1
        raise ValueError("in the middle")

    with pytest.raises(ValueError, match="in the middle"):
        result_of(failing())
    with pytest.raises(ValueError, match="in the middle"):
        result_of(convert_yields(failing(), str))


def test_values_are_converted_and_the_result_is_kept() -> None:
    seen = []

    def watch() -> Generator[str, None, str]:
        result = yield from convert_yields(counted(3, []), str)
        seen.append(result)
        return result

    assert list(watch()) == ["0", "1", "2"] and seen == ["the end"]


def test_closing_closes_the_generator_inside() -> None:
    closed: list[str] = []
    work = convert_yields(counted(3, closed), str)
    next(work)
    work.close()
    assert closed == ["closed"]
