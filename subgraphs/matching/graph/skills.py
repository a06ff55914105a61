"""Skills as clients see them."""

from collections.abc import Awaitable
from dataclasses import asdict
from typing import Annotated, Self
from uuid import UUID

import strawberry

from shared.graph import (
    After,
    Before,
    Connection,
    First,
    IdempotencyKey,
    Last,
    Problem,
    described_enum,
    page_of,
)
from shared.idempotency import once
from shared.ids import parse_id, parse_id_or_none
from subgraphs.matching import models
from subgraphs.matching.graph.context import Info
from subgraphs.matching.service import skills

described_enum(
    models.SkillLevel,
    "How far somebody is in a skill.",
    tags=["course", "tutor"],
    BEGINNER="From the start.",
    INTERMEDIATE="With the basics known.",
    ADVANCED="With experience.",
)
described_enum(
    models.SkillLinkKind,
    "How one skill leads to another.",
    tags=["tutor"],
    PREREQUISITE="The first is needed for the second.",
    RELATED="Who knows one easily learns the other.",
    BROADER="The first holds the second.",
)


@strawberry.federation.type(keys=["id"], description="Something that can be taught.")
class Skill:
    row: strawberry.Private[models.Skill]

    @strawberry.federation.field(description="Identifies the skill.", tags=["course", "tutor"])
    def id(self) -> strawberry.ID:
        return strawberry.ID(str(self.row.id))

    @strawberry.federation.field(description="What the skill is called.", tags=["course", "tutor"])
    def name(self) -> str:
        return self.row.name

    @strawberry.federation.field(
        description="A name for addresses, unique among skills.", tags=["course", "tutor"]
    )
    def slug(self) -> str:
        return self.row.slug

    @strawberry.federation.field(
        description="The subject that it belongs to, such as music.", tags=["course", "tutor"]
    )
    def category(self) -> str:
        return self.row.category

    @strawberry.federation.field(
        description="Skills that this one leads to, the nearest first.", tags=["tutor"]
    )
    async def leads_to(
        self,
        info: Info,
        kind: Annotated[models.SkillLinkKind, strawberry.argument(description="How they hang.")],
    ) -> list["SkillLink"]:
        return await self._linked(info, kind, backward=False)

    @strawberry.federation.field(
        description="Skills that lead to this one, the nearest first.", tags=["tutor"]
    )
    async def reached_from(
        self,
        info: Info,
        kind: Annotated[models.SkillLinkKind, strawberry.argument(description="How they hang.")],
    ) -> list["SkillLink"]:
        return await self._linked(info, kind, backward=True)

    async def _linked(
        self, info: Info, kind: models.SkillLinkKind, *, backward: bool
    ) -> list["SkillLink"]:
        directions = [backward]
        if kind is models.SkillLinkKind.RELATED:
            directions = [False, True]
        found = []
        for direction in directions:
            loader = info.context.loader(skills.get_linked, kind=kind, backward=direction)
            found += await loader.load(self.row.id)
        found.sort(key=lambda each: (each[1], each[0].name, each[0].id))
        return [SkillLink(skill=Skill(row=row), weight=weight) for row, weight in found]

    @classmethod
    def load(cls, info: Info, skill_id: UUID | None) -> Awaitable[Self | None]:
        """The skill, if there is one."""
        return info.context.loader(skills.get_skills, into=cls).load(skill_id)

    @classmethod
    def resolve_reference(cls, info: Info, id: strawberry.ID) -> Awaitable[Self | None]:
        return cls.load(info, parse_id_or_none(id))


@strawberry.federation.type(description="A skill next to another.", tags=["tutor"])
class SkillLink:
    skill: Skill = strawberry.field(description="The skill.")
    weight: int = strawberry.field(description="How far it is: the less, the nearer.")


@strawberry.federation.type(description="One step of a path from skill to skill.", tags=["tutor"])
class SkillPathStep:
    step: strawberry.Private[skills.SkillStep]

    @strawberry.field(description="The skill that is reached.")
    async def skill(self, info: Info) -> Skill | None:
        return await Skill.load(info, self.step.skill_id)

    @strawberry.field(description="How it is reached; null for the first one.")
    def kind(self) -> models.SkillLinkKind | None:
        return self.step.kind

    @strawberry.field(description="The weights of all links so far.")
    def cost(self) -> int:
        return self.step.cost


CreateSkillResult = Annotated[
    Skill | Problem,
    strawberry.union("CreateSkillResult", description="The skill, or why it was refused."),
]
LinkSkillsResult = Annotated[
    Skill | Problem,
    strawberry.union(
        "LinkSkillsResult", description="The skill that leads on, or why it was refused."
    ),
]


@strawberry.input(description="A new skill.")
class CreateSkillInput:
    name: str = strawberry.field(description="2 to 100 characters.")
    slug: str = strawberry.field(description="a-z, 0-9 and single hyphens, at most 100.")
    category: str = strawberry.field(description="2 to 50 characters.")


@strawberry.input(description="A link between two skills.")
class LinkSkillsInput:
    from_: strawberry.ID = strawberry.field(name="from", description="The skill to start from.")
    to: strawberry.ID = strawberry.field(description="The skill that it leads to.")
    kind: models.SkillLinkKind = strawberry.field(description="How they hang together.")
    weight: int = strawberry.field(default=1, description="1 to 1000; the less, the nearer.")


@strawberry.type
class SkillQueries:
    @strawberry.federation.field(description="A skill, or null.", tags=["tutor"])
    async def skill(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The skill.")],
    ) -> Skill | None:
        return await Skill.resolve_reference(info, id)

    @strawberry.federation.field(description="Skills by name.", tags=["tutor"])
    async def skills(
        self,
        info: Info,
        search: Annotated[
            str | None, strawberry.argument(description="A part of the name, or nearly that.")
        ] = None,
        category: Annotated[
            str | None, strawberry.argument(description="The exact category.")
        ] = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Skill]:
        page = page_of(first, after, last, before)
        async with info.context.read() as session:
            found = await skills.list_skills(session, page, search=search, category=category)
        return Connection.of(found.map(lambda row: Skill(row=row)))

    @strawberry.federation.field(
        description="The cheapest way from one skill to another, both included; empty without one.",
        tags=["tutor"],
    )
    async def skill_path(
        self,
        info: Info,
        start: Annotated[
            strawberry.ID, strawberry.argument(name="from", description="The first skill.")
        ],
        goal: Annotated[
            strawberry.ID, strawberry.argument(name="to", description="The last skill.")
        ],
    ) -> list[SkillPathStep]:
        async with info.context.read() as session:
            found = await skills.find_path(
                session, start=parse_id(start, field="from"), goal=parse_id(goal, field="to")
            )
        return [SkillPathStep(step=step) for step in found]


@strawberry.type
class SkillMutations:
    @strawberry.federation.mutation(description="Add a skill (admins).", tags=["admin"])
    async def create_skill(
        self,
        info: Info,
        input: Annotated[CreateSkillInput, strawberry.argument(description="The skill.")],
        idempotency_key: IdempotencyKey = None,
    ) -> CreateSkillResult:
        viewer, given = info.context.viewer, asdict(input)
        async with info.context.write() as session:

            async def create() -> UUID:
                return (await skills.create_skill(session, viewer, **given)).id

            skill_id = await once(session, viewer, "createSkill", idempotency_key, given, create)
            row = await session.get_one(models.Skill, skill_id)
        return Skill(row=row)

    @strawberry.federation.mutation(
        description="Lead from one skill to another, or weigh that anew (admins).", tags=["admin"]
    )
    async def link_skills(
        self,
        info: Info,
        input: Annotated[LinkSkillsInput, strawberry.argument(description="The link.")],
    ) -> LinkSkillsResult:
        async with info.context.write() as session:
            row = await skills.link_skills(
                session,
                info.context.viewer,
                from_id=parse_id(input.from_, field="from"),
                to_id=parse_id(input.to, field="to"),
                kind=input.kind,
                weight=input.weight,
            )
        return Skill(row=row)
