"""Certificates: issued once per completed enrolment, verifiable by their code."""

import secrets
from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from shared.db import ReadSession, WriteSession
from shared.events.learning import CertificateIssued
from shared.ids import new_id
from shared.lookup import ByKey
from shared.outbox import publish
from shared.pages import Order, Page, PageRequest, keyset_by_parent
from subgraphs.learning.models import Certificate, Course, Enrollment
from subgraphs.learning.service import users

# Crockford's base 32: no letter that can be taken for a digit; 100 bits cannot be guessed.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_NEWEST = Order.by(Certificate.id.desc())


def new_code() -> str:
    """A code such as 7QX2-0MVB-ZK4T-9HWA-3DNC."""
    signs = "".join(secrets.choice(_ALPHABET) for _ in range(20))
    return "-".join(signs[i : i + 4] for i in range(0, 20, 4))


def normalised(code: str) -> str:
    """A code as people type it: any case, O for 0, I and L for 1, hyphens or not."""
    signs = code.upper().translate(str.maketrans("OIL", "011"))
    signs = "".join(sign for sign in signs if sign in _ALPHABET)
    return "-".join(signs[i : i + 4] for i in range(0, len(signs), 4))


async def issue_certificate(session: WriteSession, course: Course, enrollment: Enrollment) -> None:
    """Issue the certificate of a completed enrolment, unless it has one. Raises Unavailable."""
    student = await users.get_known_user(session, enrollment.student_id)
    certificate_id = await session.scalar(
        insert(Certificate)
        .values(
            id=new_id(),
            enrollment_id=enrollment.id,
            course_id=course.id,
            student_id=enrollment.student_id,
            code=new_code(),
            student_name=student.name,
            course_title=course.title,
        )
        .on_conflict_do_nothing(index_elements=["enrollment_id"])
        .returning(Certificate.id)
    )
    if certificate_id is not None:
        enrollment.version += 1
        publish(
            session,
            CertificateIssued(
                enrollment_id=enrollment.id,
                course_id=course.id,
                student_id=enrollment.student_id,
                tutor_id=course.tutor_id,
                certificate_id=certificate_id,
                version=enrollment.version,
            ),
        )


async def find_certificate(session: ReadSession, code: str) -> Certificate | None:
    """The certificate with this code; whoever holds the code may see it."""
    found: Certificate | None = await session.scalar(
        sa.select(Certificate).where(Certificate.code == normalised(code))
    )
    return found


_CERTIFICATES = ByKey(sa.select(Certificate), Certificate.id)


async def get_certificates(session: ReadSession, ids: Sequence[UUID]) -> list[Certificate | None]:
    """Many certificates at once, in the order asked for."""
    return await _CERTIFICATES.find(session, ids)


_OF_ENROLLMENTS = ByKey(sa.select(Certificate), Certificate.enrollment_id)


async def get_enrollment_certificates(
    session: ReadSession, enrollment_ids: Sequence[UUID]
) -> list[Certificate | None]:
    """The certificate of each enrolment, if it has one."""
    return await _OF_ENROLLMENTS.find(session, enrollment_ids)


async def list_certificates(
    session: ReadSession, student_ids: Sequence[UUID], *, page: PageRequest
) -> list[Page[Certificate]]:
    """The certificates of each student, the newest first."""
    return await keyset_by_parent(
        session,
        sa.select(Certificate),
        _NEWEST,
        page,
        parent=Certificate.student_id,
        parents=student_ids,
    )
