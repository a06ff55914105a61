"""The Python line that defines a coordinate, read from the sources without running them."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from schema.check.findings import Place

# Types that every subgraph shares come from here.
SHARED = Path("shared") / "graph"
_ROOTS = frozenset({"Query", "Mutation", "Subscription"})


@dataclass
class _Class:
    """A class by its GraphQL name: its line, its members' lines, the classes that it builds on."""

    place: Place
    members: dict[str, Place] = field(default_factory=dict)
    bases: list[str] = field(default_factory=list)


def place_of(root: Path, subgraph: str | None, coordinate: str | None) -> Place | None:
    """Where a type, field, argument or enum value is written; None when it is in no source."""
    if not coordinate or not subgraph:
        return None
    owner, _, rest = coordinate.partition(".")
    member = re.split(r"[(]", rest)[0] if rest else None
    for folder in (Path("subgraphs") / subgraph, SHARED):
        classes = _classes(root, folder)
        for name, part in _spellings(owner, member):
            found = _find(classes, name, part)
            if found is not None:
                return found
    return None


def _spellings(owner: str, member: str | None) -> Iterator[tuple[str, str | None]]:
    yield owner, member
    # `CourseConnection` is `Connection` of courses, and `RateCourseResult` is made where the
    # mutation `rateCourse` is.
    for generic in ("Connection", "Edge"):
        if owner.endswith(generic) and owner != generic:
            yield generic, member
    if owner.endswith("Result"):
        yield "Mutation", owner[0].lower() + owner[1:].removesuffix("Result")


def _find(
    classes: dict[str, _Class], owner: str, member: str | None, depth: int = 0
) -> Place | None:
    known = classes.get(owner)
    if known is None or depth > 5:
        return None
    if member is None:
        return known.place
    if member in known.members:
        return known.members[member]
    for base in known.bases:
        found = _find(classes, base, member, depth + 1)
        if found is not None:
            return found
    # A member that was removed is told at its class.
    return known.place if depth == 0 and owner not in _ROOTS else None


@cache
def _classes(root: Path, folder: Path) -> dict[str, _Class]:
    found: dict[str, _Class] = {}
    for file in sorted((root / folder).rglob("*.py")):
        path = file.relative_to(root).as_posix()
        if "/migrations/" in path:
            continue
        try:
            tree = ast.parse(file.read_text(encoding="utf-8"))
        except (OSError, SyntaxError, UnicodeDecodeError):
            # Whoever runs the code is told; here a place is only missing.
            continue
        for name, each in _definitions(tree, path):
            found.setdefault(name, each)
    return found


def _definitions(tree: ast.Module, path: str) -> Iterator[tuple[str, _Class]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            if _is_graphql(node) or any(_is_graphql_member(each) for each in node.body):
                yield _name_of(node), _class(node, path)
        elif isinstance(node, ast.Call):
            called = _called(node)
            if called == "described_enum" and node.args:
                yield _enum(node, path)
            elif called == "union" and node.args and isinstance(node.args[0], ast.Constant):
                yield str(node.args[0].value), _Class(Place(path, node.lineno))


def _is_graphql(node: ast.ClassDef) -> bool:
    return any("strawberry" in ast.unparse(each) for each in node.decorator_list)


def _is_graphql_member(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and any(
        "strawberry" in ast.unparse(each) for each in node.decorator_list
    )


def _name_of(node: ast.ClassDef) -> str:
    for each in node.decorator_list:
        if isinstance(each, ast.Call) and (name := _keyword(each, "name")):
            return name
    return node.name


def _class(node: ast.ClassDef, path: str) -> _Class:
    found = _Class(Place(path, node.lineno))
    found.bases = [base.id for base in node.bases if isinstance(base, ast.Name)]
    for each in node.body:
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
            renamed = (
                _keyword(call, "name") for call in each.decorator_list if isinstance(call, ast.Call)
            )
            name = next(filter(None, renamed), None) or camel(each.name)
            found.members[name] = Place(path, each.lineno)
        elif isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name):
            given = _keyword(each.value, "name") if isinstance(each.value, ast.Call) else None
            found.members[given or camel(each.target.id)] = Place(path, each.lineno)
        elif isinstance(each, ast.Assign) and isinstance(each.targets[0], ast.Name):
            # Members of an enum, and fields that are made by a call.
            name = each.targets[0].id
            shown = name if name.isupper() else camel(name)
            found.members[shown] = Place(path, each.lineno)
    return found


def _enum(node: ast.Call, path: str) -> tuple[str, _Class]:
    """`described_enum(models.Status, "…", DRAFT="…")` shows an enum of the layer below."""
    first = node.args[0]
    name = first.attr if isinstance(first, ast.Attribute) else ast.unparse(first)
    members = {each.arg: Place(path, each.value.lineno) for each in node.keywords if each.arg}
    return name, _Class(Place(path, node.lineno), members)


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)


def _keyword(node: ast.Call, name: str) -> str | None:
    for each in node.keywords:
        if each.arg == name and isinstance(each.value, ast.Constant):
            return str(each.value.value)
    return None


def camel(name: str) -> str:
    """`duration_minutes` is shown as `durationMinutes`."""
    first, *others = name.strip("_").split("_")
    return first + "".join(each.capitalize() for each in others)
