"""The filters of a corpus: of plain texts they drop lines, of files of records whole documents."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from data.document import Message
from data.filters.filters import Filters, Mark
from data.wording import counted, percent

Unit = Literal["line", "document"]
_LONGEST_LINE = 2**20
"""Characters of a text without line ends that are judged as one line."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """What one filter has dropped: `count` lines or documents that had so many `characters`. `example` is the
    beginning of the first."""

    filter: str
    unit: Unit
    count: int
    characters: int
    example: str = ""


class CorpusFilters:
    """Applied to one file after another. The same files in the same order give the same result."""

    def __init__(self, names: Sequence[str] = ()) -> None:
        self._lines = Filters(names, of_lines=True)
        self._documents = Filters(names)

    def __bool__(self) -> bool:
        """Whether there is any filter."""
        return bool(self._documents)

    @property
    def names(self) -> tuple[str, ...]:
        return self._documents.names

    @property
    def dropped(self) -> tuple[Dropped, ...]:
        """By filter, in the order in which they are applied; those that dropped nothing are left out."""
        units: tuple[tuple[Unit, Filters], ...] = (("line", self._lines), ("document", self._documents))
        return tuple(
            Dropped(name, unit, filters.counts[name], filters.characters[name], filters.examples[name])
            for unit, filters in units
            for name in filters.names
            if filters.counts[name]
        )

    def kept_text(self, pieces: Iterable[str]) -> Iterator[str]:
        """The lines of a plain text that are kept, with their ends."""
        if not self:
            yield from pieces
            return
        for lines in _lines(pieces):
            if kept := "".join(line for line in lines if self.dropped_line(line) is None):
                yield kept

    def dropped_line(self, line: str) -> str | None:
        """The filter that drops this line of a plain text, or None."""
        return self._lines.dropped_by(line.removesuffix("\n"), len(line))

    def dropped_document(self, content: str | tuple[Message, ...]) -> str | None:
        """The filter that drops this text or conversation, or None. A conversation is one text."""
        if isinstance(content, str):
            return self._documents.dropped_by(content)
        texts = [message.content for message in content]
        return self._documents.dropped_by("\n".join(texts), sum(map(len, texts)))

    def mark(self) -> tuple[Mark, Mark]:
        """As `Filters.mark`."""
        return self._lines.mark(), self._documents.mark()

    def back_to(self, mark: tuple[Mark, Mark]) -> None:
        """As `Filters.back_to`."""
        self._lines.back_to(mark[0])
        self._documents.back_to(mark[1])


def dropped_in_words(dropped: Sequence[Dropped], kept_characters: int) -> str:
    """What was dropped of a corpus, in all and by filter: "12 lines, 3.1 % of the text: length 10, url 2"."""
    characters = sum(one.characters for one in dropped)
    units: dict[str, int] = {}
    filters: dict[str, int] = {}
    for one in dropped:
        units[one.unit] = units.get(one.unit, 0) + one.count
        filters[one.filter] = filters.get(one.filter, 0) + one.count
    in_all = " and ".join(counted(count, unit) for unit, count in units.items())
    by_filter = ", ".join(f"{name} {count:,}" for name, count in filters.items())
    return f"{in_all}, {percent(characters / max(1, characters + kept_characters))} of the text: {by_filter}"


def _lines(pieces: Iterable[str]) -> Iterator[list[str]]:
    """The lines of a text with their ends, as they become whole, several at a time."""
    rest = ""
    for piece in pieces:
        *lines, rest = (rest + piece).split("\n")
        yield [line + "\n" for line in lines]
        if len(rest) >= _LONGEST_LINE:
            yield [rest]
            rest = ""
    if rest:
        yield [rest]
