"""Entities: the objects behind federation's representations, each found or failed alone."""

from asyncio import CancelledError, Future
from collections.abc import Callable
from inspect import signature
from typing import Any, cast

import strawberry
from graphql import GraphQLError
from strawberry.federation.schema import FederationAny
from strawberry.types.arguments import convert_argument

from .guard import error_of


class Entities(strawberry.federation.Schema):
    """Resolves representations with one look at each type's `resolve_reference`.

    Unlike Strawberry's own, it leaves the request's variables untouched, and a representation of an
    unknown type fails alone.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        self._references: dict[str, tuple[Callable[..., Any], bool]] = {}
        super().__init__(*args, **options)

    def entities_resolver(self, info: strawberry.Info, representations: list[FederationAny]) -> Any:
        """The entity of each representation, or an awaitable or the exception in its place.

        Where all are futures, as data loaders give them, they are awaited together: what is below
        them is then completed in one go, and finds itself in the same batches.
        """
        results: list[Any] = []
        for representation in cast("list[dict[str, Any]]", representations):
            try:
                fields = representation.copy()
                name = fields.pop("__typename")
                resolve, wants_info = self._references.get(name) or self._reference(name)
                # As keywords of one call, so that a key named `info` cannot take its place.
                results.append(resolve(info=info, **fields) if wants_info else resolve(**fields))
            except Exception as error:
                results.append(self.entity_failed(error))
        if results and all(type(each) is Future for each in results):
            return _outcomes(results)
        return results

    def entity_failed(self, error: Exception) -> Exception:
        """What stands in the place of an entity that failed at once. May raise, to fail them all.

        Called with what `resolve_reference` raised, and with AttributeError, KeyError or TypeError
        for a representation that is malformed, of an unknown type, or has other keys.
        """
        return error

    def reference_resolver(self, type_: Any) -> Callable[..., Any]:
        """The function that is called with `info`, if it wants it, and the fields of the key.

        Without a `resolve_reference`, the object is made from the fields, like an input.
        """
        found: Callable[..., Any] | None = getattr(type_, "resolve_reference", None)
        return found or self._made_from_fields(type_)

    def _made_from_fields(self, type_: Any) -> Callable[..., Any]:
        registry = self.schema_converter.scalar_registry

        def make(info: strawberry.Info, **fields: Any) -> Any:
            try:
                return convert_argument(fields, type_, registry, self.config, info)
            except GraphQLError:
                raise
            except Exception as error:
                name = type_.__strawberry_definition__.name
                raise TypeError(f"Unable to resolve reference for {name}") from error

        return make

    def _reference(self, name: str) -> tuple[Callable[..., Any], bool]:
        definition = cast("Any", self.schema_converter.type_map[name].definition)
        resolve = self.reference_resolver(definition.origin)
        found = self._references[name] = resolve, "info" in signature(resolve).parameters
        return found


async def _outcomes(futures: list[Future[Any]]) -> list[Any]:
    """What futures give, with the exception in the place of one that fails."""
    for future in futures:
        if not future.done():
            try:
                await future
            except CancelledError:
                if not future.cancelled():
                    raise
            except Exception:  # noqa: S110 - it is asked for below
                pass
    return [_outcome(future) for future in futures]


def _outcome(future: Future[Any]) -> Any:
    error = error_of(future)
    return error if isinstance(error, Exception) else future.result()
