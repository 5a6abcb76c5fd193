"""Readers of untrusted JSON: a server may be hostile or simply not ours, so nothing that it says
is used before its shape was looked at. Fields that nobody asked for are dropped."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import NoReturn, TypeGuard, TypeVar

from .errors import BadAnswer

T = TypeVar("T")


def parse(body: bytes) -> Fields:
    """The object in a body. Raises ``BadAnswer``."""
    try:
        value = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise BadAnswer("it is not JSON") from error
    return Fields(value, "")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


class Fields:
    """One JSON object; each reader takes the name of a field and raises ``BadAnswer``."""

    def __init__(self, value: object, where: str) -> None:
        if not isinstance(value, dict):
            raise BadAnswer(f"{where or 'it'} is not an object")
        self._fields = value
        self._where = where

    def has(self, name: str) -> bool:
        return name in self._fields

    def text(self, name: str) -> str:
        return _text(self._given(name), self._at(name))

    def word(self, name: str, words: tuple[str, ...]) -> str:
        word = self.text(name)
        if word not in words:
            raise BadAnswer(f"{self._at(name)} is none of {', '.join(words)}")
        return word

    def amount(self, name: str) -> float:
        """A finite number that is not negative: every number of the API counts or measures."""
        value = self._given(name)
        try:
            number = float(value) if _is_number(value) else math.nan
        except OverflowError:
            number = math.inf
        if not (math.isfinite(number) and number >= 0):
            raise BadAnswer(f"{self._at(name)} is not an amount")
        return number

    def count(self, name: str) -> int:
        number = self.amount(name)
        if number != int(number):
            raise BadAnswer(f"{self._at(name)} is not a count")
        return int(number)

    def flag(self, name: str) -> bool:
        """False when it is absent."""
        value = self._fields.get(name, False)
        if not isinstance(value, bool):
            raise BadAnswer(f"{self._at(name)} is not true or false")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """Empty when it is absent."""
        where = self._at(name)
        return tuple(_text(item, f"{where}[{index}]") for index, item in self._items(name))

    def inner(self, name: str) -> Fields:
        return Fields(self._given(name), self._at(name))

    def objects(self, name: str, read: Callable[[Fields], T]) -> tuple[T, ...]:
        """Empty when it is absent."""
        where = self._at(name)
        return tuple(read(Fields(item, f"{where}[{index}]")) for index, item in self._items(name))

    def optional(self, name: str, read: Callable[[str], T]) -> T | None:
        """``read(name)``, or ``None`` when the field is absent or null."""
        return None if self._fields.get(name) is None else read(name)

    def _items(self, name: str) -> enumerate[object]:
        value = self._fields.get(name, [])
        if not isinstance(value, list):
            raise BadAnswer(f"{self._at(name)} is not a list")
        return enumerate(value)

    def _given(self, name: str) -> object:
        return self._fields.get(name)

    def _at(self, name: str) -> str:
        return f"{self._where}.{name}" if self._where else name


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise BadAnswer(f"{where} is not a string")
    # A lone surrogate is JSON, but printing it would raise where nobody expects it.
    return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
