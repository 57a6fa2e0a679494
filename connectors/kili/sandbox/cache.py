"""Results of filters, kept for the run of pages that asks for them: without it, paging were quadratic."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Cache(Generic[T]):
    """The last ``size`` results. One is good only as long as ``moment`` is what it was when it was made."""

    def __init__(self, size: int = 16) -> None:
        self._size = size
        self._kept: OrderedDict[Hashable, tuple[Hashable, T]] = OrderedDict()

    def get(self, key: Hashable, moment: Hashable, make: Callable[[], T]) -> T:
        if key not in self._kept or self._kept[key][0] != moment:
            self._kept[key] = (moment, make())
        self._kept.move_to_end(key)
        if len(self._kept) > self._size:
            self._kept.popitem(last=False)
        return self._kept[key][1]
