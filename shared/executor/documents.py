"""Documents: parsed and validated once.

Texts may come from strangers, so those kept are bounded by number and by size.
"""

from collections.abc import Callable

from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    parse,
    specified_rules,
)
from strawberry.schema.schema import validate_document

from .operations import Operation
from .recent import Recent

Parse = Callable[[str], DocumentNode]
Validate = Callable[[GraphQLSchema, DocumentNode], list[GraphQLError]]


class Document:
    """A document that could be parsed; `errors` say what is wrong with it for the schema."""

    def __init__(
        self, schema: GraphQLSchema, node: DocumentNode, errors: list[GraphQLError]
    ) -> None:
        self.node, self.errors = node, errors
        self._schema = schema
        self._operations: dict[str | None, Operation] = {}

    def operation(self, name: str | None) -> Operation:
        """The operation of that name, or the first. Raises LookupError."""
        found = self._operations.get(name)
        if found is None:
            nodes = [n for n in self.node.definitions if isinstance(n, OperationDefinitionNode)]
            if name is not None:
                nodes = [n for n in nodes if n.name and n.name.value == name]
            if not nodes:
                raise LookupError(name)
            fragments = {
                n.name.value: n
                for n in self.node.definitions
                if isinstance(n, FragmentDefinitionNode)
            }
            found = self._operations[name] = Operation(self._schema, nodes[0], fragments)
        return found


class Documents:
    """The documents that were asked for last."""

    def __init__(
        self,
        schema: GraphQLSchema,
        parse: Parse = parse,
        validate: Validate = lambda s, document: validate_document(
            s, document, (*specified_rules,)
        ),
        most: int = 1000,
        most_characters: int = 1_000_000,
    ) -> None:
        self._schema, self._parse, self._validate = schema, parse, validate
        self._known: Recent[str, Document] = Recent(most, most_characters)

    def __len__(self) -> int:
        return len(self._known)

    def find(self, text: str) -> Document:
        """The document. Raises what the parser raises."""
        found = self._known.get(text)
        if found is None:
            node = self._parse(text)
            found = Document(self._schema, node, self._validate(self._schema, node))
            self._known.put(text, found, len(text))
        return found
