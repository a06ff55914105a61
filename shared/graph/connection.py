"""Relay connections of our own: Strawberry's `PageInfo` is not shareable, and has no `nodes`."""

from typing import Annotated, Any, Generic, Self, TypeVar

import strawberry

from shared.graph.tags import PUBLIC
from shared.pages import Page, PageRequest

T = TypeVar("T")


@strawberry.federation.type(
    shareable=True, description="Where a page lies within its list.", tags=[PUBLIC]
)
class PageInfo:
    has_next_page: bool = strawberry.field(description="Whether more follows this page.")
    has_previous_page: bool = strawberry.field(description="Whether something precedes this page.")
    start_cursor: str | None = strawberry.field(description="Cursor of the first edge.")
    end_cursor: str | None = strawberry.field(description="Cursor of the last edge.")

    @classmethod
    def of(cls, page: Page[T]) -> Self:
        """From a page of rows."""
        return cls(
            has_next_page=page.has_next,
            has_previous_page=page.has_previous,
            start_cursor=page.cursors[0] if page.cursors else None,
            end_cursor=page.cursors[-1] if page.cursors else None,
        )


def _edges(kind: Any, page: Page[Any]) -> list[Any]:
    return [
        kind(cursor=cursor, node=node)
        for cursor, node in zip(page.cursors, page.items, strict=True)
    ]


@strawberry.federation.type(shareable=True, description="One entry of a list with its cursor.")
class Edge(Generic[T]):
    cursor: str = strawberry.field(description="Opaque place of this entry in the list.")
    node: T = strawberry.field(description="The entry.")


@strawberry.federation.type(shareable=True, description="One page of a list.")
class Connection(Generic[T]):
    page: strawberry.Private[Page[Any]]

    edges: list[Edge[T]] = strawberry.field(
        resolver=lambda self: _edges(Edge, self.page), description="The entries with their cursors."
    )
    nodes: list[T] = strawberry.field(description="The entries without cursors.")
    page_info: PageInfo = strawberry.field(
        resolver=lambda self: PageInfo.of(self.page),
        description="Where this page lies within the list.",
    )

    @classmethod
    def of(cls, page: Page[T], **own: Any) -> Self:
        """From a page of GraphQL objects; `own` is what a subclass has besides."""
        return cls(page=page, nodes=page.items, **own)


@strawberry.federation.type(shareable=True, description="One entry that another subgraph owns.")
class ReferenceEdge(Generic[T]):
    cursor: str = strawberry.field(description="Opaque place of this entry in the list.")
    node: T | None = strawberry.field(
        description="The entry; null while its owner does not answer."
    )


@strawberry.federation.type(
    shareable=True, description="One page of a list whose entries another subgraph owns."
)
class ReferenceConnection(Generic[T]):
    page: strawberry.Private[Page[Any]]

    edges: list[ReferenceEdge[T]] = strawberry.field(
        resolver=lambda self: _edges(ReferenceEdge, self.page),
        description="The entries with their cursors.",
    )
    nodes: list[T | None] = strawberry.field(description="The entries without cursors.")
    page_info: PageInfo = strawberry.field(
        resolver=lambda self: PageInfo.of(self.page),
        description="Where this page lies within the list.",
    )

    @classmethod
    def of(cls, page: Page[T]) -> Self:
        """From a page of references."""
        return cls(page=page, nodes=[*page.items])


def _argument(description: str) -> Any:
    return strawberry.argument(description=description)


# Relay's four arguments, as every connection takes them.
First = Annotated[int | None, _argument("How many entries from the start, at most 100.")]
After = Annotated[str | None, _argument("Only entries after this cursor.")]
Last = Annotated[int | None, _argument("How many entries from the end, at most 100.")]
Before = Annotated[str | None, _argument("Only entries before this cursor.")]


def page_of(
    first: int | None, after: str | None, last: int | None, before: str | None, *, default: int = 20
) -> PageRequest:
    """Relay's arguments, checked; so many entries without. Raises InvalidInput."""
    return PageRequest.of(first=first, after=after, last=last, before=before, default=default)


IdempotencyKey = Annotated[
    str | None,
    _argument("8 to 128 characters; the same key with the same input gives the first result."),
]
