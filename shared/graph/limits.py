"""Limits on the shape of a document, as validation rules: they run once per document."""

from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
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


class ShapeLimits(ValidationRule):
    """Refuses documents that are deeper or have more aliases than any honest one.

    The router's limits are tighter; these hold for whatever the router plans, and without it.
    """

    def __init__(self, context: ValidationContext) -> None:
        super().__init__(context)
        self._aliases = 0
        self._fragments = {
            node.name.value: node
            for node in context.document.definitions
            if isinstance(node, FragmentDefinitionNode)
        }
        self._depths: dict[str, int] = {}

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        """Count aliases."""
        if node.alias is not None:
            self._aliases += 1
            if self._aliases == MAX_ALIASES + 1:
                self.report_error(_refuse("maxAliases", MAX_ALIASES))

    def leave_document(self, node: DocumentNode, *_: Any) -> None:
        """Measure each operation's depth, fragments included."""
        for operation in node.definitions:
            if isinstance(operation, OperationDefinitionNode) and (
                self._depth(operation.selection_set, ()) > MAX_DEPTH
            ):
                self.report_error(_refuse("maxDepth", MAX_DEPTH))

    def _depth(self, selections: SelectionSetNode | None, inside: tuple[str, ...]) -> int:
        if selections is None:
            return 0
        deepest = 0
        for node in selections.selections:
            if isinstance(node, FieldNode):
                deepest = max(deepest, 1 + self._depth(node.selection_set, inside))
            elif isinstance(node, InlineFragmentNode):
                deepest = max(deepest, self._depth(node.selection_set, inside))
            elif isinstance(node, FragmentSpreadNode):
                name = node.name.value
                # A cycle of fragments is refused by another rule; here it only may not hang.
                if name in inside or name not in self._fragments:
                    continue
                if name not in self._depths:
                    inner = self._fragments[name].selection_set
                    self._depths[name] = self._depth(inner, (*inside, name))
                deepest = max(deepest, self._depths[name])
        return deepest
