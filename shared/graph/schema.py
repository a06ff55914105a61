"""`build_schema`: the one way a subgraph's types become a federated schema."""

import inspect
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable
from functools import cache
from typing import Any, cast

import strawberry
from graphql import DocumentNode, GraphQLError, parse, specified_rules
from graphql.validation import validate
from strawberry.exceptions import MissingQueryError
from strawberry.federation.schema import FederationAny
from strawberry.federation.schema_directives import Key
from strawberry.federation.types import FieldSet
from strawberry.schema.config import StrawberryConfig
from strawberry.types.execution import ExecutionContext, ExecutionResult, PreExecutionError

from shared.errors import DomainError
from shared.graph.limits import MAX_TOKENS, ShapeLimits
from shared.graph.masking import mask
from shared.graph.problem import Problem, ProblemHandler, problem_codes_of
from shared.graph.scalars import SCALARS
from shared.graph.tags import spread_tags

# A bare pointer to an entity of another subgraph, to which nothing is added here.
REFERENCE = Key(fields=FieldSet("id"), resolvable=False)
# The newest version that the composition library (MIT) knows.
FEDERATION_VERSION = "2.9"
MOST_DOCUMENTS = 1000
RULES = (*specified_rules, ShapeLimits)


class Schema(strawberry.federation.Schema):
    """A federated schema that knows its documents and never shows an accident to a caller."""

    def __init__(self, subgraph: str, **options: Any) -> None:
        self.subgraph = subgraph
        self._documents: OrderedDict[str, tuple[DocumentNode, list[GraphQLError]]] = OrderedDict()
        super().__init__(**options)

    async def _prepare_operation_async(
        self, context: ExecutionContext, extensions_runner: Any
    ) -> PreExecutionError | None:
        """Parse and validate each text once; Strawberry's own way costs milliseconds a request."""
        if not context.query:
            raise MissingQueryError
        known = self._documents.get(context.query)
        if known is None:
            try:
                document = parse(context.query, max_tokens=MAX_TOKENS)
            except GraphQLError as error:
                return PreExecutionError(data=None, errors=[error])
            known = (document, validate(self._schema, document, RULES))
            self._documents[context.query] = known
            if len(self._documents) > MOST_DOCUMENTS:
                self._documents.popitem(last=False)
        else:
            self._documents.move_to_end(context.query)
        context.graphql_document, errors = known
        context.validation_rules = ()
        refusal = await super()._prepare_operation_async(context, extensions_runner)
        return PreExecutionError(data=None, errors=errors) if errors else refusal

    def process_errors(self, *_: Any) -> None:
        """Nothing: `mask` logs what is unexpected, and only that."""

    async def execute(self, *args: Any, **kwargs: Any) -> ExecutionResult:
        """Execute an operation; errors come back masked."""
        result = await super().execute(*args, **kwargs)
        if result.errors:
            result.errors = mask(result.errors, self.subgraph)
        return result

    async def stream(self, *args: Any, **kwargs: Any) -> Any:
        """Execute a subscription; the errors of each result come back masked."""
        return self._masked(cast("AsyncIterator[Any]", await super().stream(*args, **kwargs)))

    async def _masked(self, results: AsyncIterator[Any]) -> AsyncIterator[Any]:
        try:
            async for result in results:
                if result.errors:
                    result.errors = mask(result.errors, self.subgraph)
                yield result
        finally:
            if (close := getattr(results, "aclose", None)) is not None:
                await close()

    def entities_resolver(
        self, info: strawberry.Info, representations: list[FederationAny]
    ) -> list[FederationAny]:
        """Resolve each representation; an unknown or malformed one is null, one failure is alone.

        Unlike Strawberry's own, it looks at a signature once and leaves the variables untouched.
        """
        results: list[Any] = []
        for representation in cast("list[dict[str, Any]]", representations):
            try:
                fields = {k: v for k, v in representation.items() if k != "__typename"}
                resolve, wants_info = self._reference_resolver(representation["__typename"])
                # As keywords of one call, so that a key named `info` cannot take its place.
                results.append(resolve(info=info, **fields) if wants_info else resolve(**fields))
            except (AttributeError, KeyError, TypeError):
                problem = GraphQLError(
                    "Unknown representation.", extensions={"code": "INVALID_INPUT"}
                )
                results.append(problem)
            except DomainError as error:
                results.append(error)
        return results

    @cache  # noqa: B019 - a schema lives as long as its process
    def _reference_resolver(self, type_name: str) -> tuple[Any, bool]:
        definition = cast("Any", self.schema_converter.type_map[type_name].definition)
        resolve = definition.origin.resolve_reference
        return resolve, "info" in inspect.signature(resolve).parameters


def build_schema(
    subgraph: str,
    *,
    query: type | None = None,
    mutation: type | None = None,
    subscription: type | None = None,
    types: Iterable[type] = (),
) -> Schema:
    """The schema of one subgraph, with the platform's scalars, problem codes and limits."""
    with problem_codes_of(subgraph):
        schema = Schema(
            subgraph,
            query=query,
            mutation=mutation,
            subscription=subscription,
            types=(*types, Problem),
            exception_handlers=[ProblemHandler()],
            federation_version=FEDERATION_VERSION,
            config=StrawberryConfig(scalar_map=SCALARS, disable_field_suggestions=True),
        )
    spread_tags(schema)
    return schema
