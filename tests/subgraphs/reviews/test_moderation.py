"""Reports, appeals and what moderators decide."""

import asyncio

from shared.ids import new_id
from tests.subgraphs.reviews import scene
from tests.subgraphs.reviews.scene import had_lesson, id_of, person, review
from tests.support.graph import GraphClient, published
from tests.support.operations import code, run

QUEUE = """query($status: ReportStatus!) {
  reviewReports(status: $status) { nodes { kind reason reporter { id } review { id } } } }"""


async def public_review(tutor: GraphClient, student: GraphClient) -> str:
    """A review that everybody can read."""
    lesson = await had_lesson(tutor, student)
    written = await review(student, lesson, 1, comment="Call me at home.")
    await review(tutor, lesson, 5)
    return str(written["id"])


async def test_reported_review_is_hidden_appealed_and_restored(
    reviews: GraphClient, tutor: GraphClient, student: GraphClient, moderator: GraphClient
) -> None:
    id_ = await public_review(tutor, student)
    report = await run(tutor, scene.REPORT_REVIEW, id=id_, reason="Phone number.")
    assert (report["kind"], report["status"]) == ("REPORT", "OPEN")
    queue = (await moderator.ask(QUEUE, status="OPEN")).data["reviewReports"]["nodes"]
    assert queue == [
        {
            "kind": "REPORT",
            "reason": "Phone number.",
            "reporter": {"id": str(id_of(tutor))},
            "review": {"id": id_},
        }
    ]
    hidden = await run(moderator, scene.MODERATE, id=id_, verdict="HIDE", reason="Contact data.")
    assert hidden["status"] == "HIDDEN"
    assert (await scene.summary(reviews, id_of(tutor)))["count"] == 0
    ask = "query($id: ID!) { review(id: $id) { status } }"
    assert (await tutor.ask(ask, id=id_)).data["review"] is None
    assert (await student.ask(ask, id=id_)).data["review"] == {"status": "HIDDEN"}
    received = await reviews.entities("User", [id_of(tutor)], "reviewsReceived { nodes { id } }")
    assert received.data["_entities"][0]["reviewsReceived"]["nodes"] == []
    assert await code(student, scene.EDIT, id=id_, comment="x") == "CONFLICT"
    appeal = await run(student, scene.APPEAL, id=id_, reason="It was a joke.")
    assert appeal["kind"] == "APPEAL"
    await run(moderator, scene.MODERATE, id=id_, verdict="RESTORE", reason="Fine.")
    assert (await scene.summary(reviews, id_of(tutor)))["count"] == 1
    upheld = (await moderator.ask(QUEUE, status="UPHELD")).data["reviewReports"]["nodes"]
    assert [node["kind"] for node in upheld] == ["REPORT", "APPEAL"]
    kinds = [kind for kind, payload in await published(reviews.runtime) if "review." in kind]
    assert kinds[-2:] == [
        "edtech.reviews.review.hidden.v1",
        "edtech.reviews.review.published.v1",
    ]


async def test_reporting_twice_files_one(
    tutor: GraphClient, student: GraphClient, moderator: GraphClient
) -> None:
    id_ = await public_review(tutor, student)
    filed = await asyncio.gather(
        *(run(tutor, scene.REPORT_REVIEW, id=id_, reason="Rude.") for _ in range(5))
    )
    assert len({report["id"] for report in filed}) == 1
    await run(moderator, scene.MODERATE, id=id_, verdict="DISMISS", reason="It is not.")
    dismissed = (await moderator.ask(QUEUE, status="DISMISSED")).data["reviewReports"]["nodes"]
    assert len(dismissed) == 1
    again = await run(tutor, scene.REPORT_REVIEW, id=id_, reason="Rude.")
    assert again["id"] not in {report["id"] for report in filed}


async def test_refusals_change_nothing(
    reviews: GraphClient, tutor: GraphClient, student: GraphClient, moderator: GraphClient
) -> None:
    id_ = await public_review(tutor, student)
    for client, operation, arguments, wanted in (
        (student, scene.REPORT_REVIEW, {"reason": "I regret it."}, "FORBIDDEN"),
        (reviews, scene.REPORT_REVIEW, {"reason": "Rude."}, "UNAUTHENTICATED"),
        (tutor, scene.REPORT_REVIEW, {"reason": "x"}, "INVALID_INPUT"),
        (tutor, scene.REPORT_REVIEW, {"id": new_id(), "reason": "Rude."}, "NOT_FOUND"),
        (student, scene.APPEAL, {"reason": "It stands."}, "CONFLICT"),
        (tutor, scene.APPEAL, {"reason": "It stands."}, "FORBIDDEN"),
        (tutor, scene.MODERATE, {"verdict": "HIDE", "reason": "Mine."}, "FORBIDDEN"),
        (moderator, scene.MODERATE, {"verdict": "RESTORE", "reason": "Why."}, "CONFLICT"),
    ):
        assert await code(client, operation, **({"id": id_} | arguments)) == wanted
    assert (await tutor.ask(QUEUE, status="OPEN")).codes == ["FORBIDDEN"]


async def test_two_moderators_at_once_hide_once(
    reviews: GraphClient, tutor: GraphClient, student: GraphClient, moderator: GraphClient
) -> None:
    id_ = await public_review(tutor, student)
    other = await person(reviews, "moderator")
    outcomes = await asyncio.gather(
        *(
            run(each, scene.MODERATE, id=id_, verdict="HIDE", reason="Spam.")
            for each in (moderator, other)
        )
    )
    assert sorted(outcome["__typename"] for outcome in outcomes) == ["Problem", "Review"]
