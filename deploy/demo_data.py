"""Demo data for `make dev`: an admin, tutors who can be booked, courses, students at work on them.

Loading it again changes nothing. It goes through the same services as everybody's requests, and
waits for identity's events to reach learning, as a tutor would.
"""

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from uuid import UUID

import sqlalchemy as sa

from deploy import demo_market
from deploy.demo_market import KNOWN_USERS, as_user, until
from deploy.events import opened
from schema.registry import load_subgraph
from shared.runtime import Runtime
from subgraphs.identity.runtime import IdentityRuntime
from subgraphs.identity.service.users import seed_user
from subgraphs.learning.models import Course, CourseLevel, CourseUnit
from subgraphs.learning.service import courses, enrollments, units

ADMIN = "admin@edtech.example"


@dataclass(frozen=True)
class Person:
    """Somebody in the demo."""

    email: str
    first_name: str
    last_name: str
    roles: tuple[str, ...] = ("student",)
    time_zone: str = "UTC"
    locale: str = "en"


@dataclass(frozen=True)
class Outline:
    """A course of the demo with its units."""

    tutor: str
    title: str
    description: str
    category: str
    units: tuple[str, ...]
    level: CourseLevel = CourseLevel.BEGINNER
    language: str = "en"
    price: int = 0
    seats: int = 10


MIRA, JONAS, AIKO = "mira@edtech.example", "jonas@edtech.example", "aiko@edtech.example"
PEOPLE = (
    Person(ADMIN, "Ada", "Admin", ("admin",)),
    Person(MIRA, "Mira", "Okafor", ("tutor",), "America/New_York"),
    Person(JONAS, "Jonas", "Weber", ("tutor", "student"), "Europe/Berlin", "de"),
    Person(AIKO, "Aiko", "Tanaka", ("tutor",), "Asia/Tokyo", "ja"),
    Person("lena@edtech.example", "Lena", "Novak", time_zone="Europe/Prague"),
    Person("samir@edtech.example", "Samir", "Rahman", time_zone="Asia/Dhaka"),
    Person("chloe@edtech.example", "Chloé", "Martin", time_zone="Europe/Paris", locale="fr"),
)
COURSES = (
    Outline(
        MIRA,
        "Guitar from the first chord",
        "Hold it, tune it, play three chords and the songs that need no more.",
        "guitar",
        ("Tuning and posture", "Three chords", "Changing between chords", "Your first song"),
    ),
    Outline(
        MIRA,
        "Fingerstyle guitar",
        "Alternating bass, patterns and five arrangements.",
        "guitar",
        ("The thumb", "Two patterns", "An arrangement"),
        level=CourseLevel.INTERMEDIATE,
        price=4_900,
        seats=6,
    ),
    Outline(
        JONAS,
        "Algebra without fear",
        "Equations as balances: from one unknown to systems of three.",
        "algebra",
        ("One unknown", "Two unknowns", "Systems of three"),
    ),
    Outline(
        JONAS,
        "Deutsch für den Alltag",
        "Einkaufen, Arzt, Amt: die Sätze, die man wirklich braucht.",
        "german",
        ("Beim Einkaufen", "Beim Arzt"),
        language="de",
        price=2_900,
    ),
    Outline(
        AIKO,
        "Japanese writing for beginners",
        "Hiragana and katakana by hand, a little every day.",
        "japanese",
        ("Hiragana I", "Hiragana II", "Katakana"),
        seats=2,
    ),
)
STUDENTS = ("lena@edtech.example", "samir@edtech.example", "chloe@edtech.example")


def password_in(file: Path) -> str:
    """The password of all demo accounts, made once and kept in a file for this user alone."""
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(12) + "\n")
    return file.read_text().strip()


async def seed(password: str) -> None:
    """Load the demo data; all accounts get this password."""
    async with (
        opened(load_subgraph("identity")) as first,
        opened(load_subgraph("learning")) as learning,
    ):
        ids = await _people(cast("IdentityRuntime", first), password)
        await until(learning, KNOWN_USERS, list(ids.values()))
        for outline in COURSES:
            await _course(learning, ids[outline.tutor], outline)
        for student in STUDENTS:
            await _study(learning, ids[student])
    await demo_market.seed(ids, ids[ADMIN])


async def _people(identity: IdentityRuntime, password: str) -> dict[str, UUID]:
    hashed = await identity.passwords.hash(password)
    async with identity.database.write() as session:
        return {
            person.email: (
                await seed_user(
                    session,
                    email=person.email,
                    password_hash=hashed,
                    roles=person.roles,
                    first_name=person.first_name,
                    last_name=person.last_name,
                    time_zone=person.time_zone,
                    locale=person.locale,
                )
            ).id
            for person in PEOPLE
        }


async def _course(learning: Runtime, tutor_id: UUID, outline: Outline) -> None:
    viewer = as_user(tutor_id, "tutor")
    async with learning.database.write() as session:
        known = await session.scalar(
            sa.select(Course.id).where(Course.tutor_id == tutor_id, Course.title == outline.title)
        )
        if known is not None:
            return
        course = await courses.create_course(
            session,
            viewer,
            courses.CourseDraft(
                title=outline.title,
                description=outline.description,
                category=outline.category,
                level=outline.level,
                language=outline.language,
                price_amount=outline.price,
                duration_minutes=45 * len(outline.units),
                max_students=outline.seats,
            ),
        )
        for title in outline.units:
            await units.add_unit(
                session,
                viewer,
                course.id,
                title=title,
                summary=None,
                duration_minutes=45,
                position=None,
            )
        await courses.publish_course(session, viewer, course.id)


async def _study(learning: Runtime, student_id: UUID) -> None:
    viewer = as_user(student_id, "student")
    async with learning.database.read() as session:
        wanted = sa.select(Course.id).where(Course.title == COURSES[0].title)
        course_id = await session.scalar(wanted)
        first_unit = await session.scalar(
            sa.select(CourseUnit.id).where(
                CourseUnit.course_id == course_id, CourseUnit.position == 1
            )
        )
    if course_id is None or first_unit is None:
        return
    async with learning.database.write() as session:
        known = await enrollments.get_own_enrollments(session, [course_id], student_id=student_id)
        if known == [None]:
            await enrollments.enroll_free(session, viewer, course_id)
            await enrollments.complete_unit(session, viewer, first_unit)
