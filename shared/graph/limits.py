"""Limits on the shape of a document, as validation rules: they run once per document."""

from typing import Any, NamedTuple

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    OperationDefinitionNode,
    SelectionSetNode,
    ValidationContext,
    ValidationRule,
)

MAX_DEPTH = 20
MAX_ALIASES = 200
MAX_TOKENS = 10_000


def _refuse(name: str, most: int) -> GraphQLError:
    return GraphQLError(
        f"The document exceeds the limit {name} of {most}.",
        extensions={"code": "INVALID_INPUT", "limit": {"name": name, "max": most}},
    )


class _Shape(NamedTuple):
    """What a selection asks for; aliases count as often as their fragment is spread."""

    depth: int
    aliases: int


class ShapeLimits(ValidationRule):
    """Refuses documents that are deeper or have more aliases than any honest one.

    Aliases multiply the work through fragments: a few lines can ask for a million values. The
    router's limits are tighter; these hold for whatever the router plans, and without it.
    """

    def __init__(self, context: ValidationContext) -> None:
        super().__init__(context)
        self._fragments = {
            node.name.value: node
            for node in context.document.definitions
            if isinstance(node, FragmentDefinitionNode)
        }
        self._shapes: dict[str, _Shape] = {}

    def leave_document(self, node: DocumentNode, *_: Any) -> None:
        """Measure each operation, fragments included."""
        for operation in node.definitions:
            if isinstance(operation, OperationDefinitionNode):
                depth, aliases = self._measure(operation.selection_set, ())
                if depth > MAX_DEPTH:
                    self.report_error(_refuse("maxDepth", MAX_DEPTH))
                if aliases > MAX_ALIASES:
                    self.report_error(_refuse("maxAliases", MAX_ALIASES))

    def _measure(self, selections: SelectionSetNode | None, inside: tuple[str, ...]) -> _Shape:
        if selections is None:
            return _Shape(0, 0)
        depth = aliases = 0
        for node in selections.selections:
            if isinstance(node, FragmentSpreadNode):
                found = self._measure_fragment(node.name.value, inside)
            elif isinstance(node, FieldNode):
                inner = self._measure(node.selection_set, inside)
                found = _Shape(1 + inner.depth, inner.aliases + (node.alias is not None))
            else:
                found = self._measure(node.selection_set, inside)  # type: ignore[attr-defined]
            depth = max(depth, found.depth)
            aliases += found.aliases
        return _Shape(depth, aliases)

    def _measure_fragment(self, name: str, inside: tuple[str, ...]) -> _Shape:
        # A cycle of fragments is refused by another rule; here it only may not hang.
        if name in inside or name not in self._fragments:
            return _Shape(0, 0)
        if name not in self._shapes:
            inner = self._fragments[name].selection_set
            self._shapes[name] = self._measure(inner, (*inside, name))
        return self._shapes[name]
