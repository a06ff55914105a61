"""Tutor search as clients see it."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import strawberry

from shared.graph import (
    After,
    Before,
    Connection,
    Currency,
    First,
    Last,
    MinorUnits,
    described_enum,
    page_of,
)
from shared.ids import parse_id
from subgraphs.matching import models
from subgraphs.matching.graph.context import Info
from subgraphs.matching.graph.profiles import TutorProfile
from subgraphs.matching.graph.skills import Skill
from subgraphs.matching.service import search

described_enum(
    search.TutorSort,
    "The order of found tutors.",
    tags=["tutor"],
    RELEVANCE="The best match first; without a text, the best rated, with a boost for new ones.",
    PRICE="The lowest hourly rate first.",
    RATING="The best rated first.",
    NEWEST="The last verified first.",
)


@strawberry.federation.type(
    description="How many of the found tutors teach a skill.", tags=["tutor"]
)
class TutorSkillFacet:
    skill_id: strawberry.Private[UUID]
    count: int = strawberry.field(description="How many tutors teach it.")

    @strawberry.field(description="The skill.")
    async def skill(self, info: Info) -> Skill | None:
        return await Skill.load(info, self.skill_id)


@strawberry.federation.type(
    description="How many of the found tutors teach in a language.", tags=["tutor"]
)
class TutorLanguageFacet:
    language: str = strawberry.field(description="A BCP 47 tag, in lower case.")
    count: int = strawberry.field(description="How many tutors teach in it.")


@strawberry.federation.type(
    description="How many tutors cost at most so much, and more than the range below.",
    tags=["tutor"],
)
class TutorPriceFacet:
    at_most: MinorUnits | None = strawberry.field(
        description="The range's upper bound in minor units; null for the open range above."
    )
    count: int = strawberry.field(description="How many tutors are in the range.")


@strawberry.federation.type(
    description="How many tutors are rated at least so high.", tags=["tutor"]
)
class TutorRatingFacet:
    at_least: int = strawberry.field(description="In hundredths: 450 is 4.5 of 5.")
    count: int = strawberry.field(description="How many tutors are.")


@strawberry.federation.type(
    description="Counts over the found tutors, of at most 1,000 of them.", tags=["tutor"]
)
class TutorFacets:
    counted: int = strawberry.field(description="How many tutors were counted.")
    is_capped: bool = strawberry.field(description="Whether more were found than counted.")
    skills: list[TutorSkillFacet] = strawberry.field(description="By skill.")
    languages: list[TutorLanguageFacet] = strawberry.field(description="By language.")
    prices: list[TutorPriceFacet] = strawberry.field(description="By range of hourly rates.")
    ratings: list[TutorRatingFacet] = strawberry.field(description="By lowest rating.")


@strawberry.federation.type(description="One page of found tutors, with counts.", tags=["tutor"])
class TutorSearchConnection(Connection[TutorProfile]):
    wanted: strawberry.Private[search.TutorFilter]

    @strawberry.field(description="Counts over what was found.")
    async def facets(self, info: Info) -> TutorFacets:
        found = await info.context.loader(search.count_facets).load(self.wanted)
        return TutorFacets(
            counted=found.counted,
            is_capped=found.is_capped,
            skills=[TutorSkillFacet(skill_id=id_, count=count) for id_, count in found.skills],
            languages=[
                TutorLanguageFacet(language=language, count=count)
                for language, count in found.languages
            ],
            prices=[
                TutorPriceFacet(at_most=None if most is None else MinorUnits(most), count=count)
                for most, count in found.prices
            ],
            ratings=[
                TutorRatingFacet(at_least=least, count=count) for least, count in found.ratings
            ],
        )


@strawberry.input(description="What to look for; everything given must hold.")
class TutorSearchInput:
    text: str | None = strawberry.field(
        default=None,
        description="Words in name, headline, skills or text; misspelt ones are corrected.",
    )
    skill_id: strawberry.ID | None = strawberry.federation.field(
        default=None, description="What to learn.", tags=["tutor"]
    )
    level: models.SkillLevel | None = strawberry.federation.field(
        default=None, description="How far the skill must be taught.", tags=["tutor"]
    )
    language: str | None = strawberry.federation.field(
        default=None, description="A BCP 47 tag; en finds en-GB, too.", tags=["tutor"]
    )
    price_least: MinorUnits | None = strawberry.federation.field(
        default=None, description="Lowest hourly rate, in minor units.", tags=["tutor"]
    )
    price_most: MinorUnits | None = strawberry.federation.field(
        default=None, description="Highest hourly rate, in minor units.", tags=["tutor"]
    )
    currency: Currency | None = strawberry.federation.field(
        default=None, description="The rate's currency.", tags=["tutor"]
    )
    rating_least: int | None = strawberry.federation.field(
        default=None, description="Lowest mean rating, in hundredths: 450 is 4.5.", tags=["tutor"]
    )
    available_from: datetime | None = strawberry.federation.field(
        default=None,
        description="Begin of a window with room for the tutor's shortest lesson.",
        tags=["tutor"],
    )
    available_to: datetime | None = strawberry.federation.field(
        default=None,
        description="Its end, at most 7 days later and within 28 days.",
        tags=["tutor"],
    )

    def to_filter(self) -> search.TutorFilter:
        """As the service takes it."""
        return search.TutorFilter(
            text=self.text,
            skill_id=parse_id(self.skill_id, field="skillId") if self.skill_id else None,
            level=self.level,
            language=self.language,
            price_least=self.price_least,
            price_most=self.price_most,
            currency=self.currency,
            rating_least=self.rating_least,
            available_from=self.available_from,
            available_to=self.available_to,
        )


@strawberry.type
class SearchQueries:
    @strawberry.federation.field(
        description="Search verified tutors who are not paused.", tags=["tutor"]
    )
    async def tutors(
        self,
        info: Info,
        filter: Annotated[
            TutorSearchInput | None, strawberry.argument(description="What to look for.")
        ] = None,
        sort: Annotated[
            search.TutorSort, strawberry.argument(description="The order.")
        ] = search.TutorSort.RELEVANCE,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> TutorSearchConnection:
        wanted = filter.to_filter() if filter else search.TutorFilter()
        page = page_of(first, after, last, before)
        async with info.context.read() as session:
            found = await search.search_tutors(session, wanted, sort, page)
        return TutorSearchConnection.of(found.map(lambda row: TutorProfile(row=row)), wanted=wanted)
