"""A bounded memory of what was used last."""

from collections import OrderedDict
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Recent(Generic[K, V]):
    """A mapping that keeps what was asked for last, by number and by weight."""

    def __init__(self, most: int, most_weight: int) -> None:
        self._most, self._most_weight, self._weight = most, most_weight, 0
        self._items: OrderedDict[K, tuple[V, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._items)

    def get(self, key: K) -> V | None:
        """What is kept under the key."""
        found = self._items.get(key)
        if found is None:
            return None
        try:  # noqa: SIM105 - which costs nothing, while `suppress` does
            self._items.move_to_end(key)
        except KeyError:  # another thread has just forgotten it
            pass
        return found[0]

    def put(self, key: K, value: V, weight: int = 1) -> None:
        """Keep a value, unless it alone is too heavy."""
        if weight > self._most_weight:
            return
        self._weight += weight - self._items.pop(key, (None, 0))[1]
        self._items[key] = value, weight
        while len(self._items) > self._most or self._weight > self._most_weight:
            self._weight -= self._items.popitem(last=False)[1][1]
