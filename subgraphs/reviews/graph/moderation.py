"""Reports, appeals and what moderators decide."""

from datetime import datetime
from typing import Annotated

import strawberry

from shared.graph import After, Before, Connection, First, Last, Problem, described_enum, page_of
from shared.ids import parse_id
from subgraphs.reviews import models
from subgraphs.reviews.graph.context import Info
from subgraphs.reviews.graph.entities import User
from subgraphs.reviews.graph.reviews import Review, ReviewId
from subgraphs.reviews.service import moderation, reviews

described_enum(
    models.ReportKind,
    "Why moderators look at a review.",
    REPORT="Somebody says that it breaks the rules.",
    APPEAL="Its author says that it should not be hidden.",
)
described_enum(
    models.ReportStatus,
    "What became of a report.",
    OPEN="Nobody has looked yet.",
    UPHELD="The reporter was right.",
    DISMISSED="There was nothing to do.",
)
described_enum(
    moderation.Verdict,
    "What a moderator decides about a review.",
    HIDE="Nobody may read it, and it does not count.",
    RESTORE="Everybody may read it again, and it counts.",
    DISMISS="It stays as it is; open reports are dismissed.",
)


@strawberry.type(description="Somebody asks moderators to look at a review.")
class ReviewReport:
    row: strawberry.Private[models.Report]

    @strawberry.field(description="Identifies the report.")
    def id(self) -> strawberry.ID:
        return strawberry.ID(str(self.row.id))

    @strawberry.field(description="A report or an appeal.")
    def kind(self) -> models.ReportKind:
        return models.ReportKind(self.row.kind)

    @strawberry.field(description="What they say.")
    def reason(self) -> str:
        return self.row.reason

    @strawberry.field(description="What became of it.")
    def status(self) -> models.ReportStatus:
        return models.ReportStatus(self.row.status)

    @strawberry.field(description="When it was filed.")
    def created_at(self) -> datetime:
        return self.row.created_at

    @strawberry.field(description="Who filed it; null but for moderators and the reporter.")
    def reporter(self, info: Info) -> User | None:
        viewer, reporter_id = info.context.viewer, self.row.reporter_id
        seen = viewer.has_role("moderator") or viewer.is_user(reporter_id)
        return User.of(reporter_id) if seen else None

    @strawberry.field(description="The review, as far as the viewer may see it.")
    async def review(self, info: Info) -> Review | None:
        loader = info.context.loader(reviews.get_reviews, into=Review, viewer=info.context.viewer)
        return await loader.load(self.row.review_id)


ReportReviewResult = Annotated[
    ReviewReport | Problem,
    strawberry.union("ReportReviewResult", description="The report, or why it was refused."),
]
AppealModerationResult = Annotated[
    ReviewReport | Problem,
    strawberry.union("AppealModerationResult", description="The appeal, or why it was refused."),
]
ModerateReviewResult = Annotated[
    Review | Problem,
    strawberry.union("ModerateReviewResult", description="The review, or why it was refused."),
]
Reason = Annotated[str, strawberry.argument(description="3 to 1,000 characters.")]


@strawberry.type
class ModerationQueries:
    @strawberry.field(description="Reports and appeals, the oldest first (moderators).")
    async def review_reports(
        self,
        info: Info,
        status: Annotated[
            models.ReportStatus, strawberry.argument(description="What became of them.")
        ] = models.ReportStatus.OPEN,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[ReviewReport]:
        page = page_of(first, after, last, before)
        async with info.context.read() as session:
            found = await moderation.list_reports(session, info.context.viewer, page, status=status)
        return Connection.of(found.map(lambda row: ReviewReport(row=row)))


@strawberry.type
class ModerationMutations:
    @strawberry.mutation(description="Ask moderators to look at a review.")
    async def report_review(self, info: Info, id: ReviewId, reason: Reason) -> ReportReviewResult:
        async with info.context.write() as session:
            row = await moderation.report_review(
                session, info.context.viewer, parse_id(id, field="id"), reason
            )
        return ReviewReport(row=row)

    @strawberry.mutation(description="Ask moderators to look again at one's own hidden review.")
    async def appeal_moderation(
        self, info: Info, id: ReviewId, reason: Reason
    ) -> AppealModerationResult:
        async with info.context.write() as session:
            row = await moderation.appeal_moderation(
                session, info.context.viewer, parse_id(id, field="id"), reason
            )
        return ReviewReport(row=row)

    @strawberry.mutation(description="Hide, restore or leave a review (moderators).")
    async def moderate_review(
        self,
        info: Info,
        id: ReviewId,
        verdict: Annotated[
            moderation.Verdict, strawberry.argument(description="What becomes of it.")
        ],
        reason: Reason,
    ) -> ModerateReviewResult:
        async with info.context.write() as session:
            row = await moderation.moderate_review(
                session, info.context.viewer, parse_id(id, field="id"), verdict, reason
            )
        return Review(row=row)
