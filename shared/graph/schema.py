"""`build_schema`: the one way a subgraph's types become a federated schema."""

from collections.abc import AsyncIterator, Iterable
from typing import Any, cast

from graphql import GraphQLError, GraphQLSchema, parse, specified_rules
from graphql.validation import validate
from strawberry.exceptions import MissingQueryError
from strawberry.federation.schema_directives import Key
from strawberry.federation.types import FieldSet
from strawberry.schema.config import StrawberryConfig
from strawberry.types.execution import ExecutionContext, ExecutionResult, PreExecutionError

from shared import executor
from shared.config import PlatformSettings
from shared.errors import DomainError
from shared.executor import CompiledSchema, Documents
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


class Schema(CompiledSchema):
    """A federated schema that compiles its operations and never shows an accident to a caller."""

    def __init__(self, subgraph: str, **options: Any) -> None:
        self.subgraph = subgraph
        super().__init__(documents=_documents, **options)

    def configure(self, settings: PlatformSettings) -> None:
        """Execute as the process's settings say."""
        self.engine.settings = executor.Settings(
            enabled=settings.graphql_compiled, sample_every=settings.graphql_sample_every
        )

    async def _prepare_operation_async(
        self, context: ExecutionContext, extensions_runner: Any
    ) -> PreExecutionError | None:
        """Parse and validate each text of a socket once, too."""
        if not context.query:
            raise MissingQueryError
        try:
            document = self.documents.find(context.query)
        except GraphQLError as error:
            return PreExecutionError(data=None, errors=[error])
        context.graphql_document = document.node
        context.validation_rules = ()
        refusal = await super()._prepare_operation_async(context, extensions_runner)
        if document.errors:
            return PreExecutionError(data=None, errors=document.errors)
        return refusal

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

    def reference_resolver(self, type_: Any) -> Any:
        """The type's own; what has none is no entity of this subgraph."""
        return type_.resolve_reference

    def entity_failed(self, error: Exception) -> Exception:
        """A refusal stands for its entity alone; so does what cannot be understood."""
        if isinstance(error, DomainError):
            return error
        if isinstance(error, AttributeError | KeyError | TypeError):
            return GraphQLError("Unknown representation.", extensions={"code": "INVALID_INPUT"})
        raise error


def _documents(schema: GraphQLSchema) -> Documents:
    return Documents(
        schema,
        parse=lambda text: parse(text, max_tokens=MAX_TOKENS),
        validate=lambda known, document: validate(known, document, RULES),
        most=MOST_DOCUMENTS,
    )


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
