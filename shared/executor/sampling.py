"""Sampling: whether two answers to one request are the same, without keeping what they say."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from graphql import ExecutionResult, GraphQLError

Keys = tuple[str | int, ...]


@dataclass(frozen=True)
class Difference:
    """Where two answers to one request differ; it holds no values of either."""

    kind: Literal["data", "errors"]
    path: Keys


def difference(one: ExecutionResult, other: ExecutionResult) -> Difference | None:
    """The first place where two answers differ.

    Errors may come in any order. Below a place that is null in both they may be others: which one
    of several is reported depends on which came first. But both must have one there.
    """
    path = _data_differs(one.data, other.data)
    if path is not None:
        return Difference("data", path)
    errors, nulls = _described(one)
    other_errors, other_nulls = _described(other)
    for error in errors.keys() | other_errors.keys():
        if errors[error] != other_errors[error]:
            return Difference("errors", error[1])
    for place in nulls ^ other_nulls:
        return Difference("errors", place)
    return None


def _data_differs(one: Any, other: Any) -> Keys | None:
    if type(one) is not type(other):
        return ()
    if isinstance(one, dict):
        if list(one) != list(other):
            return ()
        keys: Sequence[str | int] = list(one)
    elif isinstance(one, list):
        if len(one) != len(other):
            return ()
        keys = range(len(one))
    else:
        return None if one == other else ()
    for key in keys:
        path = _data_differs(one[key], other[key])
        if path is not None:
            return (key, *path)
    return None


_Described = tuple[str, Keys, str, str]


def _described(result: ExecutionResult) -> tuple[Counter[_Described], set[Keys]]:
    """The errors that must be equal, and the null places below which there are others."""
    errors: Counter[_Described] = Counter()
    nulls: set[Keys] = set()
    for error in result.errors or ():
        found = _describe(error)
        place = _null_above(result.data, found[1])
        if place is None or error.path is None:
            errors[found] += 1
        else:
            nulls.add(place)
    return errors, nulls


def _describe(error: GraphQLError) -> _Described:
    path = tuple(error.path or ())
    return error.message, path, str(error.locations), str(error.extensions)


def _null_above(data: Any, path: Keys) -> Keys | None:
    """The place above another that is null."""
    for depth, key in enumerate(path):
        if data is None:
            return path[:depth]
        data = data[key]
    return None
