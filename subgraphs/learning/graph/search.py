"""Searching courses as clients see it: what to look for, and what was found."""

import strawberry

from shared.graph import Connection, Currency, MinorUnits, described_enum
from subgraphs.learning import models
from subgraphs.learning.graph.context import Info
from subgraphs.learning.graph.courses import Course
from subgraphs.learning.service import search

described_enum(
    search.CourseSort,
    "The order of found courses.",
    tags=["course"],
    RELEVANCE="The best match first; without a text, the newest.",
    NEWEST="The last published first.",
    PRICE_ASCENDING="The cheapest first.",
    PRICE_DESCENDING="The dearest first.",
)


@strawberry.federation.type(
    description="How many of the found courses have a value.", tags=["course"]
)
class FacetValue:
    value: str = strawberry.field(description="The value.")
    count: int = strawberry.field(description="How many courses have it.")


@strawberry.federation.type(
    description="How many courses cost at most so much, and more than the range below.",
    tags=["course"],
)
class PriceFacet:
    at_most: MinorUnits | None = strawberry.field(
        description="The range's upper bound in minor units; null for the open range above."
    )
    count: int = strawberry.field(description="How many courses are in the range.")


@strawberry.federation.type(description="Counts over everything that was found.", tags=["course"])
class CourseFacets:
    categories: list[FacetValue] = strawberry.field(description="By category.")
    levels: list[FacetValue] = strawberry.field(description="By level.")
    languages: list[FacetValue] = strawberry.field(description="By language.")
    prices: list[PriceFacet] = strawberry.field(description="By price range.")


@strawberry.federation.type(
    description="One page of found courses, with counts over all of them.", tags=["course"]
)
class CourseSearchConnection(Connection[Course]):
    wanted: strawberry.Private[search.CourseFilter]

    @strawberry.field(description="How many courses were found.")
    async def total_count(self, info: Info) -> int:
        return (await info.context.loader(search.count_facets).load(self.wanted)).total

    @strawberry.field(description="Counts over everything that was found.")
    async def facets(self, info: Info) -> CourseFacets:
        found = await info.context.loader(search.count_facets).load(self.wanted)
        named = [
            [FacetValue(value=facet.value, count=facet.count) for facet in group]
            for group in (found.categories, found.levels, found.languages)
        ]
        prices = [
            PriceFacet(at_most=None if most is None else MinorUnits(most), count=count)
            for most, count in found.prices
        ]
        return CourseFacets(categories=named[0], levels=named[1], languages=named[2], prices=prices)


@strawberry.federation.input(
    description="What to look for; everything given must hold.", tags=["course"]
)
class CourseSearchInput:
    text: str | None = strawberry.field(
        default=None, description="Words in title, category or description; -word excludes."
    )
    category: str | None = strawberry.field(default=None, description="The exact category.")
    level: models.CourseLevel | None = strawberry.field(default=None, description="The level.")
    language: str | None = strawberry.field(default=None, description="The language's tag.")
    price_least: MinorUnits | None = strawberry.field(
        default=None, description="Lowest price, in minor units."
    )
    price_most: MinorUnits | None = strawberry.field(
        default=None, description="Highest price, in minor units."
    )
    currency: Currency | None = strawberry.field(default=None, description="The price's currency.")
    has_seats: bool | None = strawberry.field(
        default=None, description="Whether there are free seats."
    )

    def to_filter(self) -> search.CourseFilter:
        """As the service takes it."""
        return search.CourseFilter(
            text=self.text,
            category=self.category,
            level=self.level,
            language=self.language,
            price_least=self.price_least,
            price_most=self.price_most,
            currency=self.currency,
            has_seats=self.has_seats,
        )
