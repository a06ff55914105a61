"""Operations: what one asks for, and the plans compiled for it when it comes again.

A plan belongs to a schema, an operation, and the values of the variables in @skip and @include.
"""

from typing import Any

from graphql import (
    DirectiveNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    VariableNode,
    Visitor,
    get_variable_values,
    visit,
)
from graphql.execution.collect_fields import FragmentDetails
from graphql.execution.executor import Executor
from graphql.execution.get_variable_signature import get_variable_signature
from graphql.execution.values import VariableValues

from .arguments import Coercion
from .codegen import Compiler
from .recent import Recent
from .slots import Completer

MOST_VARIANTS = 16
MOST_COERCION_ERRORS = 50  # as in graphql-core


class _Directives(Visitor):
    """Which variables decide what is selected, and whether nothing else does."""

    def __init__(self) -> None:
        super().__init__()
        self.variables: set[str] = set()
        self.only_selecting = True

    def enter_directive(self, node: DirectiveNode, *_: Any) -> None:
        if node.name.value not in ("skip", "include"):
            self.only_selecting = False
        for argument in node.arguments or ():
            if isinstance(argument.value, VariableNode):
                self.variables.add(argument.value.name.value)

    def enter_fragment_definition(self, node: FragmentDefinitionNode, *_: Any) -> None:
        if node.variable_definitions:
            self.only_selecting = False


class Operation:
    """One operation of one schema, and its plans."""

    def __init__(
        self,
        schema: GraphQLSchema,
        node: OperationDefinitionNode,
        fragment_definitions: dict[str, FragmentDefinitionNode],
    ) -> None:
        self.schema, self.node, self.fragment_definitions = schema, node, fragment_definitions
        self.fragments = {name: FragmentDetails(f) for name, f in fragment_definitions.items()}
        self.type = node.operation
        directives = _Directives()
        for part in (node, *fragment_definitions.values()):
            visit(part, directives)
        self.is_compilable = (
            directives.only_selecting
            and self.type is not OperationType.SUBSCRIPTION
            and schema.get_root_type(self.type) is not None
        )
        self._deciding = sorted(directives.variables)
        # No plan yet where the values were seen once; None where they cannot be compiled.
        self._plans: dict[tuple[Any, ...], list[Completer] | bool | None] = {}
        definitions = node.variable_definitions or ()
        self._coerce = Coercion([get_variable_signature(schema, v) for v in definitions])

    def variables(self, inputs: dict[str, Any]) -> VariableValues | list[GraphQLError]:
        """The variables as resolvers get them, or what is wrong with them."""
        return self._coerce(inputs) or get_variable_values(
            self.schema, self.node.variable_definitions or (), inputs, MOST_COERCION_ERRORS
        )

    def plan(self, variables: VariableValues) -> list[Completer] | None:
        """The plan for these variables; None the first time, and where there are too many."""
        if not self.is_compilable:
            return None
        values = variables.coerced
        key = tuple([values.get(name) for name in self._deciding])
        try:
            found = self._plans.get(key, False)
        except TypeError:  # a value that cannot decide, in a document that was not validated
            return None
        if found is False:
            if len(self._plans) < MOST_VARIANTS:
                self._plans[key] = True
            return None
        if found is True:
            found = self._plans[key] = self._compile(variables)
        return found

    def _compile(self, variables: VariableValues) -> list[Completer] | None:
        # A plan outlives the request: it gets no other values than those that decide.
        deciding = VariableValues(
            {n: source for n, source in variables.sources.items() if n in self._deciding},
            {n: value for n, value in variables.coerced.items() if n in self._deciding},
        )
        try:
            return Compiler(self.schema, self.node, self.fragments, deciding).steps()
        except Exception:  # too large a selection, or a directive with a wrong argument
            return None


class Operations:
    """The operations known by schema and node: parsers may share nodes between schemas."""

    def __init__(self, most: int) -> None:
        self._known: Recent[tuple[int, int], Operation] = Recent(most, most)

    def __len__(self) -> int:
        return len(self._known)

    def of(self, executor: Executor[Any]) -> Operation:
        """The operation that the executor was made for."""
        schema, node = executor.schema, executor.operation
        fragments = executor.fragment_definitions
        # The operation holds both, so their ids stay theirs.
        key = id(schema), id(node)
        found = self._known.get(key)
        if found is None or not _same(found.fragment_definitions, fragments):
            found = Operation(schema, node, fragments)
            self._known.put(key, found)
        return found


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(one[key] is other[key] for key in one)
