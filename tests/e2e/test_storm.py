"""The marketplace in a storm: people book, pay, cancel, meet and review while parts are killed.

By hand: `pytest tests/e2e/test_storm.py -m slow -s`; `STORM_SECONDS=60` for a short one.
"""

import os
import random
import secrets
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import httpx
import psycopg
import pytest

from deploy import market as op
from deploy.local.platform import Platform
from schema.registry import names
from shared.events.matching import OFFER, Offer
from shared.ids import new_id
from shared.seal import seal
from tests.e2e.client import PASSWORD, Client, eventually, web_app
from tests.e2e.conftest import GENEROUS
from tests.e2e.market import Market, make_admin
from tests.e2e.test_faults import LOGIN, TRANSIENT, murders, rows, stubborn

T = TypeVar("T")
SECONDS = int(os.environ.get("STORM_SECONDS", "300"))
TUTORS, STUDENTS, AT_ONCE = 20, 200, 8
SLOTS = 12
TOKEN_SECONDS = 240
PRICES = (3333, 4001, 2500)
# The people of the storm are as random as it is, but the same in each run.
SEED = 20261121
AGAIN = TRANSIENT | {"PAYABLE_NOT_READY"}
LIVE = "('PENDING_PAYMENT', 'SCHEDULED', 'IN_PROGRESS')"
WRONG_SUMMARIES = """
  WITH latest AS (
    SELECT DISTINCT ON (target_type, target_id, reviewer_id) target_type, target_id, rating
    FROM reviews WHERE status = 'PUBLISHED' AND is_counted
    ORDER BY target_type, target_id, reviewer_id, submitted_at DESC, id DESC),
  found AS (SELECT target_type, target_id, count(*) AS count, sum(rating) AS total
    FROM latest GROUP BY 1, 2)
  SELECT target_type, target_id, s.count, f.count, s.total, f.total
  FROM rating_summaries s FULL JOIN found f USING (target_type, target_id)
  WHERE coalesce(s.count, 0) <> coalesce(f.count, 0)
    OR coalesce(s.total, 0) <> coalesce(f.total, 0)"""


@dataclass
class Storm:
    """What was tried and what was answered."""

    market: Market
    tutors: list[Client]
    students: list[Client]
    start: datetime
    over: float
    emails: dict[str, str]
    tally: Counter[str] = field(default_factory=Counter)
    deaths: Counter[str] = field(default_factory=Counter)
    booked: dict[str, str] = field(default_factory=dict)
    # When each person signed in, and as whom they act since.
    signed_in: dict[str, tuple[float, Client]] = field(default_factory=dict)
    door: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, client: Client, query: str, **variables: Any) -> Any:
        """Repeat until the answer is final."""
        while True:
            found = stubborn(client, query, **variables)
            if found.get("code") not in AGAIN:
                return found
            time.sleep(0.1)

    def live(self, number: int) -> None:
        """One student's days: book, pay, and then whatever happens."""
        chance = random.Random(SEED + number)
        while time.monotonic() < self.over:
            student = self.awake(chance.choice(self.students))
            tutor = self.awake(chance.choice(self.tutors))
            lesson = self.book(chance, student, tutor)
            if lesson is not None:
                self.go_on(chance, student, tutor, lesson)

    def awake(self, person: Client) -> Client:
        """The person, with a token that lasts a while: access tokens end after ten minutes."""
        id_ = str(person.user_id)
        # One at a time: sign-ins are limited by account.
        with self.door:
            since, client = self.signed_in.get(id_, (0.0, person))
            if since == 0.0 or time.monotonic() - since > TOKEN_SECONDS:
                client = sign_in(self.market.web, self.emails[id_])
                self.signed_in[id_] = (time.monotonic(), client)
        return client

    def book(self, chance: random.Random, student: Client, tutor: Client) -> str | None:
        """Try to get one of the tutor's slots, which others want, too."""
        start = self.start + chance.randrange(SLOTS) * timedelta(minutes=30)
        offer = Offer(
            tutor_id=UUID(tutor.user_id),
            starts_at=start,
            ends_at=start + timedelta(hours=1),
            kind="ONE_TO_ONE",
            price_amount=chance.choice(PRICES),
            price_currency="USD",
        )
        secret = self.market.platform.env["SEAL_SECRET"].encode()
        token = seal([secret], OFFER, offer, seconds=600)
        self.tally["bookings tried"] += 1
        found = self.ask(student, op.BOOK, offer=token, key=f"book-{secrets.token_hex(8)}")
        if found["__typename"] != "Lesson":
            assert found["code"] == "SLOT_TAKEN", found
            self.tally["bookings refused"] += 1
            return None
        self.tally["bookings won"] += 1
        self.booked[found["id"]] = str(student.user_id)
        return str(found["id"])

    def go_on(self, chance: random.Random, student: Client, tutor: Client, id_: str) -> None:
        """Pay or not; then cancel, or have the lesson and review it."""
        if chance.random() < 0.1:
            return
        given = {"payableType": "LESSON", "payableId": id_}
        payment = self.ask(student, op.CREATE_PAYMENT, input=given)
        assert payment["__typename"] == "Payment", payment
        if chance.random() < 0.1:
            self.market.bank.pay(payment["clientSecret"], "pm_card_chargeDeclined")
        self.market.bank.pay(payment["clientSecret"])
        self.tally["payments"] += 1
        what = chance.random()
        if what < 0.35:
            who = chance.choice((student, tutor))
            self.count("cancelled", self.ask(who, op.CANCEL_LESSON, id=id_))
        elif what < 0.7:
            self.has_lesson(chance, student, tutor, id_)

    def has_lesson(self, chance: random.Random, student: Client, tutor: Client, id_: str) -> None:
        """The lesson takes place; half of the students write about it."""
        begun = self.insist(lambda: self.begin(id_))
        if not begun:
            return
        done = self.ask(tutor, op.COMPLETE_LESSON, id=id_)
        self.count("completed", done)
        if done["__typename"] == "Lesson" and chance.random() < 0.5:
            rating = chance.randint(1, 5)
            self.review(student, {"lessonId": id_, "rating": rating})
            # Both have written: the reviews are published at once.
            self.review(tutor, {"lessonId": id_, "rating": 5})

    def review(self, writer: Client, review: dict[str, Any]) -> None:
        """Write a review, once reviews has heard of the lesson."""
        for _ in range(100):
            found = self.ask(writer, op.SUBMIT_REVIEW, input=review)
            if found.get("code") != "NOT_ELIGIBLE":
                break
            time.sleep(0.3)
        self.count("reviewed", found)

    def begin(self, id_: str) -> bool:
        """Let a paid lesson have begun, at a time of its own; False while it is not paid yet."""
        away = timedelta(minutes=-90) - timedelta(hours=2) * len(self.booked)
        return bool(
            self.market.clock.run(
                "learning",
                "UPDATE lessons SET ends_at = clock_timestamp() + %(away)s + (ends_at - starts_at),"
                " starts_at = clock_timestamp() + %(away)s"
                " WHERE id = %(id)s AND status = 'SCHEDULED' RETURNING 1",
                id=id_,
                away=away,
            )
        )

    @staticmethod
    def insist(act: Callable[[], T], *, within: float = 20) -> T | None:
        """Repeat what the database refuses while it is away."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            try:
                if found := act():
                    return found
            except psycopg.Error:
                pass
            time.sleep(0.3)
        return None

    def count(self, what: str, found: Any) -> None:
        """One more, or one that was refused."""
        self.tally[what if found["__typename"] != "Problem" else f"{what}: {found['code']}"] += 1

    def kill(self) -> None:
        """Kill one part after another, each as often, at random moments."""
        chance = random.Random(SEED)
        ways: list[tuple[str, Callable[[], None]]] = []
        while time.monotonic() < self.over:
            if not ways:
                ways = murders(self.market.platform)
                chance.shuffle(ways)
            name, kill = ways.pop()
            kill()
            self.deaths[name] += 1
            time.sleep(chance.uniform(4, 12))


def accounts(market: Market, template: Client, count: int) -> list[str]:
    """So many students, written past registration, with the template's password; their ids."""
    users = [new_id() for _ in range(count)]
    marker = secrets.token_hex(3)
    clock = market.clock
    [(columns,)] = clock.run(
        "identity",
        "SELECT string_agg(quote_ident(column_name), ', ') FROM information_schema.columns"
        " WHERE table_name = 'users' AND is_generated = 'NEVER'"
        " AND column_name NOT IN ('id', 'email', 'username')",
    )
    clock.run(
        "identity",
        f"INSERT INTO users (id, email, {columns})"  # noqa: S608 - names of columns
        f" SELECT u, '{marker}-' || n || '@edtech.test', {columns}"
        " FROM users, unnest(%(ids)s::uuid[]) WITH ORDINALITY AS t (u, n) WHERE users.id = %(of)s",
        ids=users,
        of=template.user_id,
    )
    clock.run(
        "identity",
        "INSERT INTO user_profiles (user_id) SELECT unnest(%(ids)s::uuid[])",
        ids=users,
    )
    clock.run(
        "identity",
        "INSERT INTO user_roles (user_id, role) SELECT unnest(%(ids)s::uuid[]), 'student'",
        ids=users,
    )
    for subgraph in ("learning", "matching", "payment", "reviews"):
        [(columns,)] = clock.run(
            subgraph,
            "SELECT string_agg(quote_ident(column_name), ', ') FROM information_schema.columns"
            " WHERE table_name = 'user_refs' AND column_name <> 'user_id'",
        )
        clock.run(
            subgraph,
            f"INSERT INTO user_refs (user_id, {columns})"  # noqa: S608 - names of columns
            f" SELECT u, {columns} FROM user_refs, unnest(%(ids)s::uuid[]) u"
            " WHERE user_id = %(of)s",
            ids=users,
            of=template.user_id,
        )
    return [str(id_) for id_ in users]


def sign_in(web: Client, email: str) -> Client:
    """A client with a token."""
    tokens = stubborn(web, LOGIN, input={"email": email, "password": PASSWORD})
    return replace(web, token=tokens["accessToken"], user_id=tokens["user"]["id"])


def gather(market: Market) -> tuple[list[Client], list[Client]]:
    """Twenty tutors that can be booked and paid, two hundred students."""
    student, tutor = market.web.join(), market.tutor()
    eventually(
        lambda: all(
            market.clock.run(
                subgraph, "SELECT 1 FROM user_refs WHERE user_id = %(id)s", id=student.user_id
            )
            for subgraph in ("learning", "matching", "payment", "reviews")
        )
    )
    tutors = [tutor] + [market.tutor() for _ in range(TUTORS - 1)]
    # They sign in when it is their turn.
    ids = accounts(market, student, STUDENTS)
    return tutors, [replace(market.web, user_id=id_) for id_ in ids]


def check(storm: Storm) -> None:
    """Everything has settled, and agrees."""
    platform, clock = storm.market.platform, storm.market.clock

    def quiet() -> bool:
        return all(
            rows(
                platform,
                f"edtech_{name}_db",
                "SELECT count(*) FROM outbox WHERE published_at IS NULL",
            )
            == [(0,)]
            for name in names()
        )

    # Who did not pay in time gives the slot back, and every payment comes to its end.
    clock.run(
        "learning",
        "UPDATE lessons SET hold_expires_at = clock_timestamp() WHERE status = 'PENDING_PAYMENT'",
    )
    for subgraph in ("learning", "payment"):
        clock.run(
            subgraph,
            "UPDATE saga_instances SET deadline = clock_timestamp(), version = version + 1"
            " WHERE state = 'RUNNING' AND kind IN ('lesson_purchase', 'payment', 'refund')"
            " AND deadline IS NOT NULL",
        )
    eventually(quiet, within=120)

    def settled() -> bool:
        return quiet() and all(
            rows(platform, database, query) == [(0,)]
            for database, query in (
                (
                    "edtech_learning_db",
                    "SELECT count(*) FROM lessons WHERE status = 'PENDING_PAYMENT'",
                ),
                (
                    "edtech_payment_db",
                    "SELECT count(*) FROM payments"
                    " WHERE status NOT IN ('SUCCEEDED', 'CANCELLED') OR refund_pending > 0",
                ),
            )
        )

    eventually(settled, within=120)

    def agreed() -> bool:
        return settled() and not disagreements(platform)

    # Consumers have to catch up, too; what still differs then is told by the assertion.
    with suppress(AssertionError):
        eventually(agreed, within=180)
    assert disagreements(platform) == {}
    lessons = lessons_of(platform)
    # What was acknowledged is there, and nothing besides.
    assert set(storm.booked) == set(lessons)
    assert overlaps(platform) == [(0,)]
    storm.market.check_ledger()
    payments = payments_of(platform)
    wrong_fees = rows(
        platform,
        "edtech_payment_db",
        "SELECT count(*) FROM payments WHERE fee_refunded_total"
        " <> (2 * platform_fee * refunded_total + amount) / (2 * amount)",
    )
    assert wrong_fees == [(0,)]
    check_provider(storm, payments)
    check_followers(storm, lessons)
    for name in ("learning", "payment"):
        stuck = rows(
            platform,
            f"edtech_{name}_db",
            "SELECT kind, step, last_error FROM saga_instances WHERE state = 'NEEDS_ATTENTION'",
        )
        assert stuck == []
    for name in names():
        assert rows(platform, f"edtech_{name}_db", "SELECT reason FROM dead_letters") == []


def lessons_of(platform: Platform) -> dict[str, tuple[Any, ...]]:
    """Status, version, refund and whether it is paid of each lesson."""
    return {
        str(id_): tuple(rest)
        for id_, *rest in rows(
            platform,
            "edtech_learning_db",
            "SELECT id, status, version, refund_bps, paid_at IS NOT NULL FROM lessons",
        )
    }


def payments_of(platform: Platform) -> dict[str, tuple[int, int]]:
    """Amount and what went back of each purchase that was paid."""
    return {
        str(purchase): (amount, refunded)
        for purchase, amount, refunded in rows(
            platform,
            "edtech_payment_db",
            "SELECT purchase_id, amount, refunded_total FROM payments WHERE status = 'SUCCEEDED'",
        )
    }


def disagreements(platform: Platform) -> dict[str, Any]:
    """Lessons that are not what their payments say, each with both."""
    payments = payments_of(platform)
    found = {}
    for id_, lesson in lessons_of(platform).items():
        _, _, refund_bps, is_paid = lesson
        amount, refunded = payments.pop(id_, (0, 0))
        owed = (amount * (refund_bps or 0) + 5000) // 10_000
        if is_paid != bool(amount) or refunded != owed:
            found[id_] = (lesson, amount, refunded)
    return found | payments


def overlaps(platform: Platform) -> list[tuple[Any, ...]]:
    return rows(
        platform,
        "edtech_learning_db",
        "SELECT count(*) FROM lesson_participants a JOIN lesson_participants b"
        " ON a.user_id = b.user_id AND a.lesson_id < b.lesson_id"
        " AND tstzrange(a.starts_at, a.ends_at, '[)') && tstzrange(b.starts_at, b.ends_at, '[)')"
        " WHERE a.is_live AND b.is_live AND a.is_exclusive AND b.is_exclusive",
    )


def check_provider(storm: Storm, payments: dict[str, tuple[int, int]]) -> None:
    """No money moved twice, and none that the ledger does not know."""
    books = storm.market.bank.act("books")
    charged = Counter(charge["transfer_group"] for charge in books["charges"])
    assert charged == Counter(payments.keys())
    refunded: Counter[str] = Counter()
    for refund in books["refunds"]:
        refunded[refund["payment_intent"]] += refund["amount"]
    known = storm.market.clock.run(
        "payment",
        "SELECT provider_intent_id, refunded_total FROM payments WHERE refunded_total > 0",
    )
    assert dict(refunded) == dict(known)
    assert len({r["metadata"]["refund_id"] for r in books["refunds"]}) == len(books["refunds"])
    [(balance,)] = storm.market.clock.run(
        "payment",
        "SELECT coalesce(sum(amount), 0)::bigint FROM ledger_entries"
        " WHERE account = 'PROVIDER_BALANCE'",
    )
    assert books["balance"].get("usd", 0) == balance
    storm.tally["refunds"] = len(books["refunds"])
    storm.tally["transfers"] = len(books["transfers"])


def check_followers(storm: Storm, lessons: dict[str, tuple[Any, ...]]) -> None:
    """Matching and reviews have heard of everything."""
    platform = storm.market.platform
    versions = {id_: lesson[1] for id_, lesson in lessons.items()}

    def caught_up() -> bool:
        busy = rows(
            platform, "edtech_matching_db", "SELECT lesson_id::text, version FROM lesson_busy_refs"
        )
        heard = rows(
            platform, "edtech_payment_db", "SELECT purchase_id::text, version FROM payable_refs"
        )
        return dict(busy) == versions and dict(heard) == versions

    eventually(caught_up, within=60)
    live = rows(
        platform,
        "edtech_learning_db",
        f"SELECT id::text, starts_at, ends_at FROM lessons WHERE status IN {LIVE}",  # noqa: S608
    )
    assert sorted(live) == sorted(busy_times(platform))
    # The latest review of each writer counts; recomputed here, it is what the summaries say.
    assert rows(platform, "edtech_reviews_db", WRONG_SUMMARIES) == []


def busy_times(platform: Platform) -> list[tuple[Any, ...]]:
    return rows(
        platform,
        "edtech_matching_db",
        f"SELECT lesson_id::text, starts_at, ends_at FROM lesson_busy_refs WHERE status IN {LIVE}",  # noqa: S608 - a constant of this module
    )


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 900)
def test_market_agrees_after_a_storm(request: pytest.FixtureRequest) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="edtech-storm-") as folder,
        Platform(Path(folder), durable=True, split=True, settings=GENEROUS) as platform,
        web_app(platform, timeout=10, limits=httpx.Limits(max_connections=20)) as web,
    ):
        market = Market(platform, web, make_admin(platform, web))
        tutors, students = gather(market)
        start = (datetime.now(UTC) + timedelta(days=3)).replace(minute=0, second=0, microsecond=0)
        emails = dict(rows(platform, "edtech_identity_db", "SELECT id::text, email FROM users"))
        storm = Storm(market, tutors, students, start, time.monotonic() + SECONDS, emails)
        killer = threading.Thread(target=storm.kill)
        killer.start()
        try:
            with ThreadPoolExecutor(AT_ONCE) as pool:
                list(pool.map(storm.live, range(AT_ONCE)))
        finally:
            storm.over = 0
            killer.join()
        platform.wait_for_subgraphs()
        check(storm)
    line = request.config.get_terminal_writer().line
    line(f"storm of {SECONDS} s: {dict(storm.tally)}")
    line(f"killed: {dict(storm.deaths)}")
    assert min(storm.deaths[name] for name, _ in murders(platform)) >= 1
