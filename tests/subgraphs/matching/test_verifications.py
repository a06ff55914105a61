"""Verification of tutors: documents, decisions and their history."""

import asyncio
from typing import Any

import pytest

from subgraphs.matching.models import TutorProfile
from tests.subgraphs.matching import factories
from tests.subgraphs.matching import operations as op
from tests.subgraphs.matching.operations import refusal, run
from tests.support.graph import GraphClient, published

DOCUMENTS = [{"kind": "passport", "reference": "asset:1"}]
HISTORY = """query($id: ID!) { tutorProfile(id: $id) { isVerified
  verifications { nodes { status reason documents { kind reference } } } } }"""
PENDING = "{ pendingVerifications { nodes { id status tutor { id } } } }"


@pytest.fixture
async def applicant(matching: GraphClient) -> TutorProfile:
    """A tutor who is not verified."""
    async with matching.runtime.database.write() as session:
        return await factories.create_tutor(session, is_verified=False, verified_at=None)


async def test_approval_verifies_and_the_history_is_kept(
    matching: GraphClient, admin: GraphClient, student: GraphClient, applicant: TutorProfile
) -> None:
    owner = matching.as_user(applicant.user_id, "tutor")
    given: dict[str, Any] = {"profileId": applicant.id, "documents": DOCUMENTS}
    made = await run(owner, op.SUBMIT_VERIFICATION, **given)
    assert (made["status"], made["documents"], made["reviewedAt"]) == ("PENDING", DOCUMENTS, None)
    assert await refusal(owner, op.SUBMIT_VERIFICATION, **given) == ("VERIFICATION_PENDING", None)
    waiting = (await admin.ask(PENDING)).data["pendingVerifications"]["nodes"]
    assert waiting == [{"id": made["id"], "status": "PENDING", "tutor": {"id": str(applicant.id)}}]
    rejected = {"profileId": applicant.id, "approve": False, "reason": "Unreadable."}
    assert (await run(admin, op.VERIFY_TUTOR, **rejected))["isVerified"] is False
    assert await published(matching.runtime) == []
    await run(owner, op.SUBMIT_VERIFICATION, **given)
    found = await run(admin, op.VERIFY_TUTOR, profileId=applicant.id, approve=True)
    assert (found["isVerified"], found["isBookable"]) == (True, True)
    [(kind, event)] = await published(matching.runtime)
    assert (kind, event["version"]) == ("edtech.matching.tutor.verified.v1", 2)
    assert (event["isVerified"], event["isBookable"]) == (True, True)
    history = (await owner.ask(HISTORY, id=applicant.id)).data["tutorProfile"]
    assert history == {
        "isVerified": True,
        "verifications": {
            "nodes": [
                {"status": "APPROVED", "reason": None, "documents": DOCUMENTS},
                {"status": "REJECTED", "reason": "Unreadable.", "documents": DOCUMENTS},
            ]
        },
    }
    assert (await student.ask(HISTORY, id=applicant.id)).data["tutorProfile"] == {
        "isVerified": True,
        "verifications": None,
    }
    assert (await admin.ask(PENDING)).data["pendingVerifications"]["nodes"] == []


async def test_approval_can_be_taken_back(
    matching: GraphClient, admin: GraphClient, profile: TutorProfile, tutor: GraphClient
) -> None:
    decision = {"profileId": profile.id, "approve": False}
    assert await refusal(admin, op.VERIFY_TUTOR, **decision) == ("INVALID_INPUT", "reason")
    found = await run(admin, op.VERIFY_TUTOR, **decision, reason="Forged.")
    assert (found["isVerified"], found["isBookable"]) == (False, False)
    [(kind, event)] = await published(matching.runtime)
    assert (kind, event["isVerified"]) == ("edtech.matching.tutor.updated.v1", False)
    nodes = (await matching.ask("{ tutors { nodes { id } } }")).data["tutors"]["nodes"]
    assert nodes == []
    again = await refusal(admin, op.VERIFY_TUTOR, **decision, reason="Forged.")
    assert again == ("NOTHING_TO_REVIEW", None)
    approve = decision | {"approve": True}
    assert await refusal(admin, op.VERIFY_TUTOR, **approve) == ("NOTHING_TO_REVIEW", None)
    await run(tutor, op.SUBMIT_VERIFICATION, profileId=profile.id, documents=DOCUMENTS)
    assert (await run(admin, op.VERIFY_TUTOR, **approve))["isBookable"] is True


async def test_only_admins_decide(
    matching: GraphClient, student: GraphClient, applicant: TutorProfile
) -> None:
    owner = matching.as_user(applicant.user_id, "tutor")
    decision = {"profileId": applicant.id, "approve": True}
    assert await refusal(owner, op.VERIFY_TUTOR, **decision) == ("FORBIDDEN", None)
    assert await refusal(matching, op.VERIFY_TUTOR, **decision) == ("UNAUTHENTICATED", None)
    assert (await owner.ask(PENDING)).codes == ["FORBIDDEN"]
    given = {"profileId": applicant.id, "documents": DOCUMENTS}
    assert await refusal(student, op.SUBMIT_VERIFICATION, **given) == ("NOT_FOUND", None)


@pytest.mark.parametrize(
    ("documents", "field"),
    [
        ([], "documents"),
        (DOCUMENTS * 11, "documents"),
        ([{"kind": "x", "reference": "a"}], "documents.0.kind"),
        ([*DOCUMENTS, {"kind": "passport", "reference": ""}], "documents.1.reference"),
    ],
)
async def test_malformed_documents_are_refused_by_field(
    tutor: GraphClient, profile: TutorProfile, documents: list[Any], field: str
) -> None:
    given = {"profileId": profile.id, "documents": documents}
    assert await refusal(tutor, op.SUBMIT_VERIFICATION, **given) == ("INVALID_INPUT", field)


async def test_two_decisions_at_once_are_one(
    matching: GraphClient, admin: GraphClient, applicant: TutorProfile
) -> None:
    owner = matching.as_user(applicant.user_id, "tutor")
    given = {"profileId": applicant.id, "documents": DOCUMENTS}
    submitted = await asyncio.gather(*(run(owner, op.SUBMIT_VERIFICATION, **given) for _ in "123"))
    codes = sorted(result.get("code", "made") for result in submitted)
    assert codes == ["VERIFICATION_PENDING"] * 2 + ["made"]
    decided = await asyncio.gather(
        *(run(admin, op.VERIFY_TUTOR, profileId=applicant.id, approve=True) for _ in "123")
    )
    codes = sorted(result.get("code", "made") for result in decided)
    assert codes == ["NOTHING_TO_REVIEW"] * 2 + ["made"]
    assert len(await published(matching.runtime)) == 1
