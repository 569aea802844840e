"""Puts finished rows back in input order, holding only those that are early."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Reorder(Generic[T]):
    """A buffer between rows as they end and rows as they are written.

    Early items wait until every place before theirs is there. Rows start in order, so at most
    about slots x max_tokens items can wait, however long the batch is.
    """

    def __init__(self) -> None:
        self._next = 0
        self._early: dict[int, T] = {}

    def put(self, place: int, item: T) -> Iterator[T]:
        """Take one item; yield all that are now due, in order."""
        self._early[place] = item
        while self._next in self._early:
            yield self._early.pop(self._next)
            self._next += 1
