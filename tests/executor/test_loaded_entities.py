"""Entities behind data loaders: one batch for them, one for what is below, each fails alone."""

import asyncio
from typing import Any

import pytest
import strawberry
from strawberry.dataloader import DataLoader

from shared.executor import CompiledSchema

pytestmark = [pytest.mark.usefixtures("quiet"), pytest.mark.timeout(20)]

ENTITIES = """query($r: [_Any!]!) {
  _entities(representations: $r) { __typename ... on Book { id author } }
}"""


class Library:
    """What a request has: loaders that note their batches, and futures by hand."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.books: DataLoader[str, Any] = DataLoader(self._load_books)
        self.authors: DataLoader[str, Any] = DataLoader(self._load_authors)
        self.lent: dict[str, asyncio.Future[Any]] = {}

    async def _load_books(self, ids: list[str]) -> list[Any]:
        self.batches.append(ids)
        await asyncio.sleep(0)
        return [self._book(id_) for id_ in ids]

    def _book(self, id_: str) -> Any:
        if id_ == "burnt":
            return ValueError("burnt")
        return None if id_ == "unwritten" else Book(id=strawberry.ID(id_))

    async def _load_authors(self, ids: list[str]) -> list[str]:
        self.batches.append(ids)
        await asyncio.sleep(0)
        return [f"author of {id_}" for id_ in ids]

    def lend(self, id_: str) -> asyncio.Future[Any]:
        """A book that comes when it is given back."""
        return self.lent.setdefault(id_, asyncio.get_running_loop().create_future())


@strawberry.federation.type(keys=["id"])
class Book:
    id: strawberry.ID

    @strawberry.field
    def author(self, info: strawberry.Info[Library, None]) -> str:
        return info.context.authors.load(self.id)  # type: ignore[return-value]

    @classmethod
    def resolve_reference(cls, info: strawberry.Info[Library, None], id: strawberry.ID) -> Any:
        return info.context.lend(id) if id.startswith("lent") else info.context.books.load(id)


@strawberry.federation.type(keys=["id"])
class Shelf:
    id: strawberry.ID


@strawberry.type
class Query:
    book: Book | None = None
    shelf: Shelf | None = None


def asked(*ids: str) -> dict[str, Any]:
    """The variables for some books."""
    return {"r": [{"__typename": "Book", "id": id_} for id_ in ids]}


@pytest.fixture
async def schema() -> CompiledSchema:
    """A schema that knows the text."""
    made = CompiledSchema(query=Query)
    operation = made.documents.find(ENTITIES).operation(None)
    operation.plan(operation.variables(asked("1")))  # type: ignore[arg-type]
    return made


def book(id_: str) -> dict[str, Any]:
    """A book in an answer."""
    return {"__typename": "Book", "id": id_, "author": f"author of {id_}"}


async def test_entities_and_what_is_below_them_are_one_batch_each(schema: CompiledSchema) -> None:
    library = Library()
    found = await schema.execute(
        ENTITIES, asked("1", "burnt", "2", "unwritten", "1"), context_value=library
    )
    assert found.data == {"_entities": [book("1"), None, book("2"), None, book("1")]}
    assert [(e.message, e.path) for e in found.errors or ()] == [("burnt", ["_entities", 1])]
    assert library.batches == [["1", "burnt", "2", "unwritten"], ["1", "2"]]
    assert schema.engine.counts.compiled == 1


async def test_values_beside_futures_do_not_wait(schema: CompiledSchema) -> None:
    given = asked("1", "2")
    given["r"].insert(1, {"__typename": "Shelf", "id": "s"})
    found = await schema.execute(ENTITIES, given, context_value=Library())
    assert found.data == {"_entities": [book("1"), {"__typename": "Shelf"}, book("2")]}


async def test_an_entity_that_somebody_else_cancelled_fails_alone(schema: CompiledSchema) -> None:
    for late in (False, True):
        library = Library()
        future = library.lend("lent")
        if late:
            asyncio.get_running_loop().call_later(0.01, future.cancel)
        else:
            future.cancel()
        found = await schema.execute(ENTITIES, asked("lent", "1"), context_value=library)
        assert found.data == {"_entities": [None, book("1")]}
        assert [e.message for e in found.errors or ()] == ["The awaited value was cancelled."]


async def test_a_cancelled_request_leaves_entities_to_others(schema: CompiledSchema) -> None:
    library = Library()
    given = asked("lent 1", "lent 2", "1")
    first, second = (
        asyncio.create_task(schema.execute(ENTITIES, given, context_value=library))
        for _ in range(2)
    )
    await asyncio.sleep(0.01)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    for id_, future in library.lent.items():
        future.set_result(Book(id=strawberry.ID(id_)))
    assert (await second).data == {"_entities": [book("lent 1"), book("lent 2"), book("1")]}


async def test_what_is_no_exception_ends_the_request(schema: CompiledSchema) -> None:
    class Stop(BaseException):
        pass

    library = Library()
    library.lend("lent").set_exception(Stop())
    with pytest.raises(Stop):
        await schema.execute(ENTITIES, asked("lent", "1"), context_value=library)
