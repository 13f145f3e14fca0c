"""Work on many items with one model, spread over the processes that have that model."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Spread(Protocol):
    """Who does the work. `work(model, item)` must be a function that another process can import, or a
    functools.partial of one."""

    def map(self, work: Callable[[Any, Item], Result], model: Any, items: Iterable[Item]) -> Iterator[Result]:
        """What `work` makes of each of `items`, in their order."""


class OneProcess:
    """All of it in this process."""

    def map(self, work: Callable[[Any, Item], Result], model: Any, items: Iterable[Item]) -> Iterator[Result]:
        for item in items:
            yield work(model, item)


ONE_PROCESS = OneProcess()
