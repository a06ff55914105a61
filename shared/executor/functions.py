"""Functions: what generated code looks like.

Its vocabulary: `o` is the object or item at hand, `v0`, `v1` and so on the values of its fields,
`F0` and so on their slots, `w` the fields it waits for, `d` its response. Errors and awaitables
cost nothing where there are none, and paths are made only for those who look at them.

Names reach the source only through `repr`. Those of attributes and parameters do not at all: they
are put into the compiled code as data, in the place of names with a λ, which GraphQL's never have.
"""

import builtins
from asyncio import Future
from functools import lru_cache
from types import CodeType, FunctionType
from typing import Any

from graphql import Undefined
from strawberry.types.cast import TYPE_CAST_ATTRIBUTE

from .slots import Await, Completer, delegate

FILE = "<graphql>"
# Larger sources are hardly met again, and would make the memory of them large.
MOST_SHARED = 5_000
ITEM_PATH = "(path, len(out), None)"


class Source:
    """A function in the making: what its names mean, and which stand for others."""

    def __init__(self, **names: Any) -> None:
        self.names: dict[str, Any] = {
            "__builtins__": builtins,
            "Await": Await,
            "CAST": TYPE_CAST_ATTRIBUTE,
            "Future": Future,
            "Undefined": Undefined,
            "delegate": delegate,
            **names,
        }
        self.foreign: dict[str, str] = {}

    def load(self, lines: list[str]) -> Completer:
        """The function. Raises what compiling raises, e.g. for too large a selection."""
        source = "\n".join(lines)
        code = _compile(source) if len(source) < MOST_SHARED else _compile.__wrapped__(source)
        names, constants = self._translate(code.co_names), self._translate(code.co_consts)
        return FunctionType(code.replace(co_names=names, co_consts=constants), self.names)

    def _translate(self, part: Any) -> Any:
        if isinstance(part, tuple):
            return tuple(self._translate(each) for each in part)
        return self.foreign.get(part, part) if isinstance(part, str) else part


@lru_cache(maxsize=1000)
def _compile(source: str) -> CodeType:
    # Selections of the same shape are the same text, in whatever operation they stand.
    module = compile(source, FILE, "exec")
    return next(part for part in module.co_consts if isinstance(part, CodeType))


def indent(lines: list[str], steps: int = 1) -> list[str]:
    """The lines of a block."""
    return ["    " * steps + line for line in lines]


def body_function(lines: list[str]) -> list[str]:
    """Completes one value; the lines return the response for `o`."""
    return ["def complete(o, path, run):", *indent(lines)]


def object_function(known: str, lines: list[str]) -> list[str]:
    """Completes an object of one type, once it is `known` to be one."""
    return [
        "def complete(o, path, run):",
        f"    if not ({known}):",
        "        if o is None or o is Undefined:",
        "            return slot.null()",
        "        return delegate(slot, o, path, run)",
        *indent(lines),
    ]


def list_function(item_lines: list[str]) -> list[str]:
    """Completes a list; `item_lines` append the response for `o` to `out`."""
    return [
        "def complete(value, path, run):",
        "    if type(value) is not list:",
        "        if value is None or value is Undefined:",
        "            return slot.null()",
        "        if not is_list(value, run):",
        "            return delegate(slot, value, path, run)",
        "    out = []",
        "    for o in value:",
        "        try:",
        *indent(item_lines, 3),
        "        except Await as a:",
        "            run.defer_item(a, item, out, path)",
        "        except Exception as e:",
        "            run.fail_item(e, item, path, out, value)",
        "    return out",
    ]


def leaf_item(condition: str | None) -> list[str]:
    """A leaf in a list."""
    call = ["out.append(each(o, None, run))"]
    if condition is None:
        return call
    return [f"if {condition}:", "    out.append(o)", "else:", *indent(call)]


def list_item() -> list[str]:
    """A list in a list."""
    return [f"out.append(each(o, {ITEM_PATH}, run))"]


def abstract_lines(path: str, result: str) -> list[str]:
    """A value of an abstract type: what is known of its class says how to complete it."""
    return [
        "c = classes.get(type(o))",
        "if c is None or getattr(o, CAST, None) is not None:",
        "    c = each",
        result.format(f"c(o, {path}, run)"),
    ]


def object_item(known: str, lines: list[str]) -> list[str]:
    """An object in a list, with its fields in the same loop."""
    return [
        f"if {known}:",
        *indent(lines),
        "elif o is None or o is Undefined:",
        "    out.append(item.null())",
        "else:",
        f"    out.append(delegate(item, o, {ITEM_PATH}, run))",
    ]


def known_object(path: str, asks_values: bool) -> str:
    """The condition under which `o` is an object of the type; remembered classes come first.

    A type that asks values whether they belong to it must be asked for those that are cast.
    """
    cast = " and getattr(o, CAST, None) is None" if asks_values else ""
    return f"type(o) in classes{cast} or check(o, {path}, run)"


def object_lines(fields: list[str], pairs: list[str], path: str, result: str) -> list[str]:
    """Builds the response for `o` from its fields; `result` says what becomes of it."""
    response = "{" + ", ".join(pairs) + "}"
    if not fields:
        return [result.format(response)]
    return [
        "w = None",
        *fields,
        f"d = {response}",
        "if w:",
        f"    run.attach(w, d, {path})",
        result.format("d"),
    ]


def field_lines(n: int, lines: list[str], where: str) -> list[str]:
    """Leaves the response for a field in `v`; `lines` do that if nothing stands in their way."""
    return [
        "try:",
        *indent(lines),
        "except Await as a:",
        f"    v{n} = None",
        f"    w = run.defer(w, a.value, F{n}, a.done)",
        "except Exception as e:",
        f"    v{n} = run.fail(e, F{n}, {where}, w)",
    ]


def deferring(n: int) -> list[str]:
    """For a value that is a coroutine in any case."""
    return [f"w = run.defer(w, v{n}, F{n})", f"v{n} = None"]


def completing_leaf(n: int, condition: str | None) -> list[str]:
    """For a scalar or enum; `condition` says when the value is its own response."""
    call = f"v{n} = c{n}(v{n}, None, run)"
    return [call] if condition is None else [f"if not ({condition}):", f"    {call}"]


def completing(n: int, where: str) -> list[str]:
    """For an object or a list; a future, such as a data loader's, is no surprise there."""
    return [
        f"if type(v{n}) is Future:",
        *indent(deferring(n)),
        "else:",
        f"    v{n} = c{n}(v{n}, {where}, run)",
    ]
