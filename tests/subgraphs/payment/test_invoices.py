"""Invoices: numbers without gaps, and documents behind links that end."""

import asyncio

import httpx
import pytest

from shared.auth import SIGNATURE_HEADER, sign
from shared.ids import new_id
from subgraphs.payment.service.documents import money
from tests.subgraphs.payment.world import World
from tests.support.services import SECRET

INVOICES = """query($id: ID!) { payment(id: $id) {
  invoices { number kind payerName payeeName amount { amount currency } pdfUrl } } }"""


async def fetch(world: World, url: str) -> httpx.Response:
    """A document as the router passes the request on."""
    path = url.split("/", 3)[3]
    headers = {SIGNATURE_HEADER: sign(SECRET.encode(), b"", ip="192.0.2.9")}
    transport = httpx.ASGITransport(world.graph.app)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://payment", trust_env=False
    ) as client:
        return await client.get(f"/{path}", headers=headers)


async def test_numbers_have_no_gaps_under_twenty_at_once(world: World) -> None:
    lessons = [await world.reserve() for _ in range(20)]
    made = [await world.create(lesson.lesson_id) for lesson in lessons]
    for payment in made:
        await world.give_card(payment)
    events = await world.waiting()
    done = await asyncio.gather(*(world.post(e["payload"], e["signature"]) for e in events))
    assert set(done) == {200}
    serials = await world.rows("SELECT serial FROM invoices ORDER BY serial")
    assert [serial for (serial,) in serials] == list(range(1, 21))
    assert len(await world.told_of("issued")) == 20


async def test_invoice_and_credit_note_have_series_of_their_own(world: World) -> None:
    _, payment = await world.paid_lesson()
    await world.refund(payment, 1_000)
    await world.work()
    found = (await world.student.ask(INVOICES, id=payment.id)).data["payment"]["invoices"]
    year = (await world.scalar("SELECT extract(year FROM clock_timestamp())::int")) or 0
    assert [(i["number"], i["kind"], i["amount"]["amount"]) for i in found] == [
        (f"INV-{year}-000001", "INVOICE", 10_000),
        (f"CN-{year}-000001", "CREDIT_NOTE", 1_000),
    ]
    assert (found[0]["payerName"], found[0]["payeeName"]) == ("Ana Silva", "Tom Teacher")
    document = await fetch(world, found[0]["pdfUrl"])
    assert document.status_code == 200
    assert document.headers["content-type"] == "application/pdf"
    assert document.content.startswith(b"%PDF-")
    assert document.headers["cache-control"] == "no-store"


async def test_changed_link_opens_nothing(world: World) -> None:
    _, payment = await world.paid_lesson()
    found = (await world.student.ask(INVOICES, id=payment.id)).data["payment"]["invoices"]
    url: str = found[0]["pdfUrl"]
    assert (await fetch(world, url[:-2] + "xx")).status_code == 404
    assert (await fetch(world, url.split("?")[0])).status_code == 404


async def test_invoice_is_for_payer_payee_and_admins(world: World) -> None:
    lesson, _ = await world.paid_lesson()
    invoice_id = await world.scalar("SELECT id FROM invoices")
    query = "query($id: ID!) { invoice(id: $id) { number } }"
    for client, sees in (
        (world.student, True),
        (world.tutor, True),
        (world.admin, True),
        (world.graph.as_user(new_id()), False),
        (world.graph, False),
    ):
        found = (await client.ask(query, id=invoice_id)).data["invoice"]
        assert (found is not None) is sees
        entity = await client.entities("Lesson", [lesson.lesson_id], "invoice { number }")
        assert (entity.data["_entities"][0]["invoice"] is not None) is sees


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (1_999, "USD", "19.99 USD"),
        (5, "EUR", "0.05 EUR"),
        (-1_050, "USD", "-10.50 USD"),
        (1_999, "JPY", "1999 JPY"),
        (1_999, "KWD", "1.999 KWD"),
        (0, "USD", "0.00 USD"),
    ],
)
def test_money_is_written_with_the_digits_of_its_currency(
    amount: int, currency: str, text: str
) -> None:
    assert money(amount, currency) == text
