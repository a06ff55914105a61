"""Whatever people, banks, provider, workers and accidents do, in any order, the books agree.

The real learning and payment on real databases, with the simulated provider over HTTP, in one
process. A courier stands for Kafka. Steps are drawn by hypothesis; the same ones every time. By
hand: `MARKET_STEPS=50000 pytest tests/market -m slow`, and `MARKET_SHRINK=1` to shorten a failure.
"""

import asyncio
import logging
import os
import time
from collections import Counter
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from types import CoroutineType
from typing import Any, ClassVar, cast

import pytest
import structlog
from hypothesis import HealthCheck, Phase, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    initialize,
    multiple,
    rule,
    run_state_machine_as_test,
)

from schema.registry import load_subgraph
from subgraphs.learning.models import LessonRole
from tests.market.chaos import Chaos, Killed
from tests.market.town import STUDENTS, TUTORS, Purchase, Town
from tests.market.truths import check_rest, check_step
from tests.subgraphs.payment.world import provider
from tests.support import services
from tests.support.graph import GraphClient

STEPS = 2_000
MANY_STEPS = int(os.environ.get("MARKET_STEPS", "50000"))
LENGTH = 80
PRICES = ((3333, "USD"), (4001, "EUR"), (2500, "USD"), (99, "EUR"), (12_345, "USD"), (0, "USD"))
VISA = "pm_card_visa"
ALL_CARDS = (
    VISA,
    VISA,
    VISA,
    "pm_card_chargeDeclined",
    "pm_card_authenticationRequired",
    "pm_simulated_slow",
)
REFUNDS = (1, 7, 333, 1111, 2500, None)
# What is owed besides a chargeback that was lost: the provider gives nothing more of that charge.
EXPLICABLE = ("refund prepare: charge_disputed",)
PATHS = ("payment_intents", "refunds", "transfers", "reversals", "payouts", "accounts")


class Market(RuleBasedStateMachine):
    """One sequence of steps in an empty town."""

    town: ClassVar[Town]
    runner: ClassVar[asyncio.Runner]
    steps: ClassVar[Counter[str]]

    purchases = Bundle("purchases")
    lessons = Bundle("lessons")
    seats = Bundle("seats")
    chargebacks = Bundle("chargebacks")

    def __init__(self) -> None:
        super().__init__()
        self.is_broken = False

    def do(self, act: Coroutine[Any, Any, Any]) -> Any:
        """One step: perhaps the process dies in it; then the invariants."""
        town = self.town
        self.steps["steps"] += 1
        outcome: Any = None
        self.is_broken = True
        name = cast("CoroutineType[Any, Any, Any]", act).__name__
        self.steps[name] += 1
        try:
            outcome = self.runner.run(act)
        except Killed as death:
            note(f"    killed {death}")
            self.steps["killed"] += 1
        else:
            note(f"    -> {outcome if isinstance(outcome, str | int | Purchase) else 'done'}")
            if isinstance(outcome, str) and not outcome.startswith("dp_"):
                self.steps[f"{name}: {outcome}"] += 1
        self.runner.run(check_step(town))
        self.is_broken = False
        return outcome

    @initialize(
        targets=(purchases, lessons),
        prices=st.lists(st.sampled_from(PRICES[:-1]), min_size=2, max_size=5),
        cards=st.lists(st.sampled_from(ALL_CARDS), max_size=5),
        had=st.integers(0, 2),
    )
    def settle_in(self, prices: list[Any], cards: list[str], had: int) -> Any:
        """Everybody arrives; lessons are booked, some of them paid, some had and transferred."""
        self.is_broken = True
        self.runner.run(self.town.settle_in())
        self.is_broken = False
        found = [
            self.do(self.town.book(n % STUDENTS, n % 2, 2 * n, 60, *price))
            for n, price in enumerate(prices)
        ]
        self.do(self.town.sell(*found[: len(cards)], cards=cards))
        if had:
            self.do(self.town.have(*found[:had]))
        return multiple(*found)

    def teardown(self) -> None:
        """Everything comes to rest, and is looked at."""
        if not self.is_broken:
            self.runner.run(come_to_rest(self.town, self.steps))
            self.steps["sequences"] += 1

    # Learning

    def _keep(self, found: Any) -> Purchase | MultipleResults[Any]:
        return found if isinstance(found, Purchase) else multiple()

    @rule(
        targets=(purchases, lessons),
        student=st.integers(0, STUDENTS - 1),
        tutor=st.integers(0, TUTORS - 1),
        slot=st.integers(0, 11),
        minutes=st.sampled_from((30, 60, 90)),
        price=st.sampled_from(PRICES),
    )
    def book(self, student: int, tutor: int, slot: int, minutes: int, price: Any) -> Any:
        return self._keep(self.do(self.town.book(student, tutor, slot, minutes, *price)))

    @rule(
        targets=(purchases, lessons),
        student=st.integers(0, STUDENTS - 1),
        tutor=st.integers(0, TUTORS - 1),
        slot=st.integers(0, 11),
        price=st.sampled_from(PRICES[:-1]),
    )
    def book_and_pay(self, student: int, tutor: int, slot: int, price: Any) -> Any:
        found = self.do(self.town.book(student, tutor, slot, 60, *price))
        if isinstance(found, Purchase):
            self.do(self.town.sell(found))
        return self._keep(found)

    @rule(
        targets=(purchases, seats),
        student=st.integers(0, STUDENTS - 1),
        course=st.integers(0, 1),
        paid=st.booleans(),
    )
    def buy(self, student: int, course: int, paid: bool) -> Any:
        found = self.do(self.town.buy(student, course))
        if paid and isinstance(found, Purchase):
            self.do(self.town.sell(found))
        return self._keep(found)

    @rule(student=st.integers(0, STUDENTS - 1), course=st.integers(0, 1))
    def join_waitlist(self, student: int, course: int) -> None:
        self.do(self.town.wait(student, course))

    @rule(seat=seats)
    def study(self, seat: Purchase) -> None:
        self.do(self.town.study(seat))

    @rule(purchase=purchases, by=st.sampled_from(("student", "tutor", "admin")))
    def cancel(self, purchase: Purchase, by: str) -> None:
        self.do(self.town.cancel(purchase, by))

    @rule(lesson=lessons, hours=st.sampled_from((0.2, 6, 13, 23.9, 30)))
    def begin_in(self, lesson: Purchase, hours: float) -> None:
        self.do(self.town.begin_in(lesson, hours))

    @rule(lesson=lessons, slot=st.integers(0, 11))
    def reschedule(self, lesson: Purchase, slot: int) -> None:
        self.do(self.town.reschedule(lesson, slot))

    @rule(lesson=lessons)
    def complete(self, lesson: Purchase) -> None:
        self.do(self.town.complete(lesson))

    @rule(lesson=lessons, who=st.sampled_from(LessonRole))
    def miss(self, lesson: Purchase, who: LessonRole) -> None:
        self.do(self.town.miss(lesson, who))

    @rule(lesson=lessons)
    def complain(self, lesson: Purchase) -> None:
        self.do(self.town.complain(lesson))

    @rule(lesson=lessons)
    def complete_and_complain(self, lesson: Purchase) -> None:
        self.do(self.town.complete(lesson))
        self.do(self.town.complain(lesson))

    @rule(lesson=lessons, refund_bps=st.sampled_from((0, 3333, 5000, 10_000)))
    def decide(self, lesson: Purchase, refund_bps: int) -> None:
        self.do(self.town.decide(lesson, refund_bps))

    # The payer

    @rule(purchase=purchases, key=st.sampled_from((None, "a")))
    def begin(self, purchase: Purchase, key: str | None) -> None:
        self.do(self.town.begin(purchase, key=key and f"{key}-{purchase.id}"))

    @rule(purchase=purchases, card=st.sampled_from(ALL_CARDS))
    def pay(self, purchase: Purchase, card: str) -> None:
        if purchase.id not in self.town.secrets:
            self.do(self.town.courier.all())
            self.do(self.town.begin(purchase))
        self.do(self.town.give_card(purchase, card))

    @rule(purchase=purchases, outcome=st.sampled_from(("succeed", "succeed", "fail")))
    def confirm_at_bank(self, purchase: Purchase, outcome: str) -> None:
        self.do(self.town.confirm_at_bank(purchase, outcome))

    @rule(purchase=purchases)
    def give_up(self, purchase: Purchase) -> None:
        self.do(self.town.give_up(purchase))

    # Banks, staff, tutors

    @rule(purchase=purchases, amount=st.sampled_from(REFUNDS))
    def refund(self, purchase: Purchase, amount: int | None) -> None:
        self.do(self.town.refund(purchase, amount))

    @rule(target=chargebacks, purchase=purchases, amount=st.sampled_from((None, None, 1001)))
    def charge_back(self, purchase: Purchase, amount: int | None) -> Any:
        return self.do(self.town.charge_back(purchase, amount)) or multiple()

    @rule(chargeback=chargebacks, won=st.booleans())
    def close_chargeback(self, chargeback: str, won: bool) -> None:
        self.do(self.town.close_dispute(chargeback, won=won))

    @rule(tutor=st.integers(0, TUTORS - 1), enabled=st.booleans())
    def change_account(self, tutor: int, enabled: bool) -> None:
        self.do(self.town.change_account(tutor, enabled=enabled))

    @rule(
        tutor=st.integers(0, TUTORS - 1),
        amount=st.sampled_from((None, 2001, 2345)),
        currency=st.sampled_from(("USD", "EUR")),
    )
    def request_payout(self, tutor: int, amount: int | None, currency: str) -> None:
        self.do(self.town.request_payout(tutor, amount, currency))

    @rule(weeks=st.integers(0, 3))
    def pay_out(self, weeks: int) -> None:
        self.do(self.town.pay_out(weeks))

    @rule(paid=st.booleans())
    def settle_payouts(self, paid: bool) -> None:
        self.do(self.town.settle_payouts(paid=paid))

    # News, workers, time, accidents

    @rule(order=st.sampled_from(("in order", "twice", "reversed", "lost")))
    def notify(self, order: str) -> None:
        self.do(self.town.notify(order))

    @rule(
        first=st.integers(0, 9),
        keys=st.integers(1, 3),
        most=st.integers(1, 2),
        repeat=st.none() | st.integers(0, 50),
    )
    def deliver_some(self, first: int, keys: int, most: int, repeat: int | None) -> None:
        self.do(self.town.courier.some(first=first, keys=keys, most=most, repeat=repeat))

    @rule()
    def deliver_all(self) -> None:
        self.do(self.town.courier.all())

    @rule()
    def run_learning(self) -> None:
        self.do(self.town.run_learning())

    @rule()
    def run_payment(self) -> None:
        self.do(self.town.run_payment())

    @rule(minutes=st.sampled_from((2, 16, 60 * 25, 60 * 24 * 4)))
    def let_time_pass(self, minutes: float) -> None:
        self.do(self.town.let_time_pass(minutes))

    @rule(purchase=purchases)
    def end_hold(self, purchase: Purchase) -> None:
        self.do(self.town.end_hold(purchase))

    @rule(
        when=st.sampled_from(("before", "after")),
        path=st.sampled_from(PATHS),
        count=st.integers(1, 2),
    )
    def provider_fails(self, when: str, path: str, count: int) -> None:
        self.do(self.town.fail(when, path, count))

    @rule(place=st.integers(1, 6))
    def die_soon(self, place: int) -> None:
        self.town.chaos.arm(place)

    # The worker and the news are at it more often than anything else.
    deliver_all_2 = deliver_all
    run_payment_2 = run_payment
    run_payment_3 = run_payment
    pay_2 = pay
    confirm_at_bank_2 = confirm_at_bank


async def come_to_rest(town: Town, done: Counter[str]) -> None:
    """The provider is well, everything arrives, every window ends, and the workers go on."""
    town.chaos.disarm()
    await town.use_up_failures()
    for account in town.accounts:
        await town.provider.act("account", account=account, enabled=True)
    for secret in town.secrets.values():
        intent = await town.intent(secret)
        if intent["status"] == "processing":
            await town.provider.act("settle-intent", intent=intent["id"], outcome="succeed")
    await settle(town)
    # What needs a person, for reasons that steps may have caused, is tried again by one.
    if stuck := await town.retry_stuck():
        assert set(stuck) <= set(EXPLICABLE), stuck
        done.update(f"stuck: {reason}" for reason in stuck)
        await settle(town)
    await check_rest(town)


async def settle(town: Town) -> None:
    """Go on until nothing changes any more."""
    before = None
    for _ in range(40):
        for dispute in (await town.look("disputes?limit=100"))["data"]:
            await town.close_dispute(dispute["id"], won=True)
        await town.settle_payouts(paid=True)
        await town.ask_for_chargebacks()
        await town.notify("in order")
        await town.courier.all()
        await town.let_time_pass(60 * 24 * 30)
        while await town.run_learning() + await town.run_payment():
            await town.courier.all()
        now = await _fingerprint(town)
        if now == before:
            break
        before = now
    else:
        raise AssertionError("it does not come to rest")


async def _fingerprint(town: Town) -> tuple[Any, ...]:
    books = await town.provider.books()
    return (
        [len(items) for name, items in books.items() if name != "balance"],
        town.courier.routes[0]._seq,
        town.courier.routes[1]._seq,
        await town.progress(),
    )


@contextmanager
def silence() -> Iterator[None]:
    """Thousands of steps say too much."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.configure(**before)


@pytest.fixture
def town(environment: None) -> Iterator[tuple[Town, asyncio.Runner]]:
    """Both subgraphs in a loop of their own, since hypothesis runs steps from plain functions."""
    with (
        asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner,
        Chaos().installed() as chaos,
        silence(),
    ):
        clients = []
        for name, changes in (("learning", {}), ("payment", {"provider_retries": 0})):
            services.ensure_database(name)
            subgraph = load_subgraph(name)
            runtime = subgraph.start(**cast("dict[str, Any]", changes))
            runner.run(runtime.open())
            clients.append(GraphClient(subgraph, runtime))
        simulated = provider()
        found = runner.run(simulated.__aenter__())
        yield Town(clients[0], clients[1], found, chaos), runner
        runner.run(simulated.__aexit__(None, None, None))
        for client in clients:
            runner.run(client.runtime.close())


def play(town: tuple[Town, asyncio.Runner], steps: int) -> Counter[str]:
    """So many steps, in sequences; what was done."""
    done: Counter[str] = Counter()
    kind = type("Market", (Market,), {"town": town[0], "runner": town[1], "steps": done})
    phases = [Phase.generate]
    if os.environ.get("MARKET_SHRINK"):
        phases.append(Phase.shrink)
    begun = time.monotonic()
    run_state_machine_as_test(
        kind,
        settings=settings(
            max_examples=max(1, steps // LENGTH),
            stateful_step_count=LENGTH,
            derandomize=True,
            database=None,
            deadline=None,
            phases=phases,
            report_multiple_bugs=False,
            # A sequence is long on purpose, and each step asks databases.
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
    done["seconds"] = round(time.monotonic() - begun)
    return done


@pytest.mark.timeout(600)
def test_books_agree_whatever_happens(town: tuple[Town, asyncio.Runner]) -> None:
    done = play(town, STEPS)
    assert done["steps"] >= STEPS / 2
    assert done["killed"] > 0


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_books_agree_for_a_long_time(
    town: tuple[Town, asyncio.Runner], request: pytest.FixtureRequest
) -> None:
    done = play(town, MANY_STEPS)
    request.config.get_terminal_writer().line(f"steps: {dict(done)}")
    assert done["steps"] >= MANY_STEPS / 2
