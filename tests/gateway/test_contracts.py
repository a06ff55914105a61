"""A contract's router: what partners see, who may come in, and how much they may ask."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from graphql import get_introspection_query

from deploy.local.valkey import Valkey
from tests.gateway.catalog import CONTRACT, LIMITS, SHOP, ContractFile, Shop, partner, shop_router
from tests.gateway.support import Router, bearer, eventually, only_error
from tests.gateway.test_lifecycle import refusal_to_start

OUTSIDE = (
    "Supplier",
    "supplier",
    "suppliers",
    "sku",
    "purchasePrice",
    "shelf",
    "ULTRAVIOLET",
    "vendor",
    "atCost",
    "restock",
    "Mutation",
    "_entities",
    "_service",
    "_Any",
    "join__",
)
DOCUMENT = "a" * 64


@pytest.fixture(scope="module")
def shop(node_modules: None) -> Iterator[Shop]:
    """The subgraphs behind the contract."""
    shop = Shop()
    shop.start()
    yield shop
    shop.stop()


@pytest.fixture(scope="module")
def file(folder: Path) -> ContractFile:
    """The contracts that the routers follow."""
    return ContractFile(folder / "contracts.yaml")


@pytest.fixture(scope="module")
def pair(
    shop: Shop, valkey: Valkey, folder: Path, file: ContractFile
) -> Iterator[tuple[Router, Router]]:
    """Two copies of the contract's router, one in production, one in development.

    Both are given the documents of the whole graph's clients, as the image does.
    """
    manifest = folder / "documents.json"
    manifest.write_text(json.dumps({DOCUMENT: "query Outside { suppliers { vendor } }"}))
    url = valkey.env()["VALKEY_URL"]
    given = {"TRUSTED_DOCUMENTS": str(manifest)}
    modes = ("production", "development")
    routers = [
        shop_router(shop, folder / f"shop-{mode}", file, url, ROUTER_ENV=mode, **given).start()
        for mode in modes
    ]
    yield routers[0], routers[1]
    for router in routers:
        router.stop()


@pytest.fixture
def contract(pair: tuple[Router, Router], file: ContractFile) -> Iterator[Router]:
    """The first of them; the file is put back after the test."""
    yield pair[0]
    file.write()


def audit(router: Router, reason: str, client: str) -> list[dict[str, Any]]:
    """What the audit log says of a client's refusals."""
    lines = router.lines("partner refused")
    return [e for e in lines if e["reason"] == reason and e["clientId"] == client]


async def test_partner_reads_the_contract_across_subgraphs(contract: Router) -> None:
    query = '{ product(id: "7") { id name colour inStock } products { name } }'
    answer = await contract.ask(query, headers=partner())
    assert answer.json() == {
        "data": {
            "product": {"id": "7", "name": "product 7", "colour": "RED", "inStock": 5},
            "products": [{"name": "product 1"}, {"name": "product 2"}],
        }
    }


async def test_partner_cannot_run_or_probe_the_documents_of_others(contract: Router) -> None:
    async with contract.client() as client:
        answers = [
            await client.post("/graphql", json={"documentId": each}, headers=partner())
            for each in (DOCUMENT, "b" * 64)
        ]
        known, unknown = [only_error(answer) for answer in answers]
        assert (known["message"], known["extensions"]["code"]) == (
            unknown["message"],
            unknown["extensions"]["code"],
        )
        assert "vendor" not in answers[0].text
        text = {"query": '{ product(id: "7") { name } }'}
        answer = await client.post("/graphql", json=text, headers=partner())
        assert answer.json() == {"data": {"product": {"name": "product 7"}}}


async def test_introspection_shows_the_contract_alone(pair: tuple[Router, Router]) -> None:
    for router in pair:
        answer = await router.ask(get_introspection_query(), headers=partner())
        assert answer.status_code == 200
        assert "Product" in answer.text
        found = set(re.findall(r'"name": "([^"]+)"', json.dumps(answer.json())))
        assert found & set(OUTSIDE) == set()
        assert not any(name.startswith(("join__", "link", "core__")) for name in found)


# Each asks for something that exists outside, `X`, or for a name that exists nowhere.
PROBES = (
    ('{{ product(id: "1") {{ {name} }} }}', "purchasePrice", "purchasePryce"),
    ('{{ product(id: "1") {{ {name} }} }}', "sku", "skv"),
    ('{{ product(id: "1") {{ {name} }} }}', "shelf", "shelv"),
    ('{{ product(id: "1") {{ {name} {{ margin }} }} }}', "supplier", "supplyer"),
    ("{{ {name} {{ margin }} }}", "suppliers", "supplyers"),
    ('{{ product(id: "1", {name}: true) {{ id }} }}', "atCost", "atKost"),
    ("{{ products(filter: {{ colour: {name} }}) {{ id }} }}", "ULTRAVIOLET", "ULTRAFIOLET"),
    ('{{ products(filter: {{ {name}: "x" }}) {{ id }} }}', "vendor", "wendor"),
    ("query($x: {name}) {{ products {{ id }} }}", "Supplier", "Supplyer"),
    ("{{ products {{ id }} }} fragment F on {name} {{ margin }}", "Supplier", "Supplyer"),
    ("{{ products {{ ... on {name} {{ id }} }} }}", "Supplier", "Supplyer"),
    ('{{ __type(name: "{name}") {{ name fields {{ name }} }} }}', "Supplier", "Supplyer"),
    ('{{ __type(name: "{name}") {{ name }} }}', "Mutation", "Mutatiom"),
    ('{{ __type(name: "{name}") {{ name }} }}', "_Any", "_Amy"),
    ("{{ {name} {{ sdl }} }}", "_service", "_serwice"),
    (
        '{{ {name}(representations: [{{ __typename: "Product", sku: "1" }}]) {{ __typename }} }}',
        "_entities",
        "_entitiez",
    ),
    ('mutation {{ {name}(id: "1") }}', "restock", "restokk"),
)


@pytest.mark.parametrize(("probe", "outside", "nowhere"), PROBES)
async def test_what_is_outside_is_answered_like_what_is_nowhere(
    pair: tuple[Router, Router], probe: str, outside: str, nowhere: str
) -> None:
    for router in pair:
        answers = []
        for name in (outside, nowhere):
            answer = await router.ask(probe.format(name=name), headers=partner())
            body = answer.json()
            for error in body.get("errors", []):
                del error["extensions"]["requestId"]
            text = json.dumps(body).replace(name, "NAME")
            answers.append((answer.status_code, text))
        assert answers[0] == answers[1]
        assert not any(f'"{word}"' in answers[0][1] for word in OUTSIDE)


@pytest.mark.parametrize(
    ("variable", "outside", "nowhere"),
    [
        ({"filter": {"NAME": "x"}}, "vendor", "wendor"),
        ({"filter": {"colour": "NAME"}}, "ULTRAVIOLET", "ULTRAFIOLET"),
    ],
)
async def test_variables_reach_nothing_outside(
    pair: tuple[Router, Router], variable: dict[str, Any], outside: str, nowhere: str
) -> None:
    query = "query($filter: Filter) { products(filter: $filter) { id } }"
    for router in pair:
        texts = []
        for name in (outside, nowhere):
            given = json.loads(json.dumps(variable).replace("NAME", name))
            answer = await router.ask(query, given, headers=partner())
            assert answer.status_code == 400
            error = only_error(answer)
            assert error["extensions"]["code"] == "INVALID_INPUT"
            texts.append(error["message"].replace(name, "NAME"))
        assert texts[0] == texts[1]
    known = await pair[0].ask(query, {"filter": {"colour": "RED"}}, headers=partner())
    assert len(known.json()["data"]["products"]) == 2


async def test_suggestions_name_nothing_outside(pair: tuple[Router, Router]) -> None:
    for router in pair:
        for query in ("{ supplierz { id } }", '{ product(id: "1") { shelff nam purchasePric } }'):
            text = (await router.ask(query, headers=partner())).text
            assert "suppliers" not in text
            assert '"shelf"' not in text
            assert '"purchasePrice"' not in text


async def test_only_partners_with_the_scope_come_in(contract: Router) -> None:
    query = "{ products { id } }"
    anonymous = await contract.ask(query)
    assert (anonymous.status_code, only_error(anonymous)["extensions"]["code"]) == (
        401,
        "UNAUTHENTICATED",
    )
    assert "www-authenticate" in anonymous.headers
    # A person's token, even one that says it is for the contract.
    for header in (bearer(), bearer(aud="shop")):
        assert (await contract.ask(query, headers=header)).status_code == 401

    other = await contract.ask(query, headers=partner("client-b", aud="partner-other"))
    assert other.status_code == 401
    assert len(audit(contract, "wrong_contract", "client-b")) == 1

    header = partner("client-c", scope="stock:read shop:write")
    poor = await contract.ask(query, headers=header)
    assert poor.status_code == 403
    error = only_error(poor)
    assert error["extensions"]["code"] == "FORBIDDEN"
    assert error["message"] == "This needs the scope shop:read."
    assert len(audit(contract, "scope_missing", "client-c")) == 1
    assert contract.metric('router_partner_refusals_total{reason="scope_missing"}') == 1

    async with contract.socket(partner("client-c", scope="stock:read")) as socket:
        [refused] = await socket.run(query)
        assert refused["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    async with contract.socket(partner()) as socket:
        [answered] = await socket.run("{ products { id } }")
        assert answered == {"data": {"products": [{"id": "1"}, {"id": "2"}]}}


@pytest.mark.parametrize(
    ("query", "limit", "most"),
    [
        ("{ products { alternatives { alternatives { alternatives { id } } } } }", "MAX_DEPTH", 4),
        ("{ a: __typename b: __typename c: products { x: id y: id } }", "MAX_ALIASES", 2),
        ("{ products { alternatives { alternatives { id } } } }", "MAX_COST", 120),
    ],
)
async def test_sizes_of_the_contract_hold(
    contract: Router, query: str, limit: str, most: int
) -> None:
    answer = await contract.ask(query, headers=partner())
    assert answer.status_code == 400
    assert only_error(answer)["extensions"]["limit"]["name"] == limit
    assert only_error(answer)["extensions"]["limit"]["max"] == most


def quotas(answer: httpx.Response) -> dict[str, int]:
    """What the RateLimit field says is left of each budget."""
    items = answer.headers["ratelimit"].split(", ")
    return {
        item.split(";")[0].strip('"'): int(item.split(";r=")[1].split(";")[0]) for item in items
    }


async def test_requests_per_minute_are_counted_over_all_copies(
    pair: tuple[Router, Router], file: ContractFile
) -> None:
    file.write(shop=CONTRACT | {"limits": LIMITS | {"requests_per_minute": 1, "burst": 4}})
    try:
        await follow(pair, "requests_per_minute", '"requests";q=1;w=60')
        header = partner("busy")
        answers = [await pair[n % 2].ask("{ __typename }", headers=header) for n in range(5)]
        assert [a.status_code for a in answers] == [200, 200, 200, 200, 429]
        assert [quotas(a)["requests"] for a in answers[:4]] == [3, 2, 1, 0]
        assert [a.headers["ratelimit-remaining"] for a in answers] == ["3", "2", "1", "0", "0"]
        assert {a.headers["ratelimit-limit"] for a in answers} == {"4"}
        error = only_error(answers[4])
        assert error["extensions"]["code"] == "RATE_LIMITED"
        assert error["extensions"]["limit"] == {"name": "requests_per_minute", "max": 1}
        assert 0 < int(answers[4].headers["retry-after"]) <= 60
        assert len(audit(pair[0], "over_requests", "busy")) == 1
        # Another partner has a budget of its own.
        assert (await pair[0].ask("{ __typename }", headers=partner("calm"))).status_code == 200
    finally:
        file.write()


async def test_cost_per_minute_is_counted_over_all_copies(
    pair: tuple[Router, Router], file: ContractFile
) -> None:
    file.write(shop=CONTRACT | {"limits": LIMITS | {"cost": 20, "cost_per_minute": 25}})
    try:
        await follow(pair, "cost_per_minute", '"cost";q=25;w=60')
        header, query = partner("dear"), "{ products { name } }"  # a list: 10
        answers = [await pair[n % 2].ask(query, headers=header) for n in range(3)]
        assert [a.status_code for a in answers] == [200, 200, 429]
        assert [quotas(a)["cost"] for a in answers[:2]] == [15, 5]
        refused = answers[2]
        assert "data" not in refused.json()
        error = only_error(refused)
        assert error["extensions"]["limit"] == {"name": "cost_per_minute", "max": 25}
        # What is missing comes back at 25 a minute.
        assert 0 < int(refused.headers["retry-after"]) <= 12
        assert len(audit(pair[0], "over_cost", "dear")) == 1
        # A cheaper operation still fits.
        cheap = await pair[1].ask('{ product(id: "1") { id } }', headers=header)
        assert cheap.status_code == 200
        async with pair[0].socket(header) as socket:
            [result] = await socket.run(query)
            assert result["errors"][0]["extensions"]["code"] == "RATE_LIMITED"
    finally:
        file.write()


async def follow(routers: tuple[Router, Router], who: str, policy: str) -> None:
    """Until each router has read the changed file."""
    for n, router in enumerate(routers):
        for attempt in range(200):
            answer = await router.ask("{ __typename }", headers=partner(f"{who}-{n}-{attempt}"))
            if policy in answer.headers["ratelimit-policy"]:
                break
        else:
            pytest.fail("the change was not seen")


async def test_withdrawn_contract_refuses_its_partners(
    contract: Router, file: ContractFile
) -> None:
    query = "{ products { id } }"

    async def answers(status: int) -> None:
        for _ in range(200):
            if (await contract.ask(query, headers=partner("early"))).status_code == status:
                return
        pytest.fail(f"the contract never answered {status}")

    # One that is no longer for partners is withdrawn from them, too.
    file.write(shop={"title": "Shop", "owner": "team-shop", "include": SHOP})
    await answers(403)
    file.write()
    await answers(200)
    file.write(other=CONTRACT)
    await eventually(
        lambda: contract.lines("the contract is withdrawn: its tokens are refused"), "withdrawal"
    )
    refused = await contract.ask(query, headers=partner("late"))
    assert refused.status_code == 403
    assert only_error(refused)["extensions"]["code"] == "FORBIDDEN"
    assert only_error(refused)["message"] == "This contract is not offered any more."
    assert len(audit(contract, "contract_withdrawn", "late")) == 1

    # A file that cannot be used changes nothing, in either direction.
    file.path.write_text("contracts: [")
    await eventually(lambda: contract.lines("the contracts cannot be read"), "a bad file")
    assert (await contract.ask(query, headers=partner("late"))).status_code == 403
    file.write()
    await answers(200)


async def test_other_routes_and_the_ide_are_not_there(pair: tuple[Router, Router]) -> None:
    for router in pair:
        async with router.client() as client:
            for path in ("/hooks/stripe/in", "/.well-known/nothing", "/"):
                assert (await client.get(path)).status_code == 404
            page = await client.get("/graphql", headers={"accept": "text/html"})
            assert "graphiql" not in page.text.lower()


async def test_routes_for_partners_are_passed_on(contract: Router) -> None:
    async with contract.client() as client:
        answer = await client.get("/.well-known/jwks.json")
    # No such subgraph is behind these tests: what stands in its place has answered.
    assert (answer.status_code, answer.text) == (404, "not here")


async def test_contract_without_scopes_is_for_people(
    shop: Shop, folder: Path, valkey: Valkey, tmp_path: Path
) -> None:
    file = ContractFile(tmp_path / "contracts.yaml")
    file.write(web={"title": "Web", "owner": "team-web", "include": SHOP, "audience": "graph"})
    url = valkey.env()["VALKEY_URL"]
    router = shop_router(shop, folder / "web", file, url, CONTRACT="web").start()
    try:
        for header in ({}, bearer()):
            answer = await router.ask("{ products { name } }", headers=header)
            assert len(answer.json()["data"]["products"]) == 2
        hidden = await router.ask("{ suppliers { margin } }")
        assert only_error(hidden)["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
        assert (await router.ask("{ products { name } }", headers=partner())).status_code == 401
        # Introspection is what the environment says, here production.
        assert "errors" in (await router.ask("{ __schema { types { name } } }")).json()
    finally:
        router.stop()


def test_contract_settings_are_checked(contract: Router, tmp_path: Path) -> None:
    code, lines = refusal_to_start(contract, CONTRACT="nothing", VALKEY_URL=None)
    assert (code, [line.split()[0] for line in lines]) == (3, ["CONTRACT"])
    code, lines = refusal_to_start(contract, VALKEY_URL=None)
    assert (code, [line.split()[0] for line in lines]) == (3, ["VALKEY_URL"])
    bad = tmp_path / "contracts.yaml"
    for text in ("contracts: [", "{}", "contracts: {shop: {scopes: [a:b], limits: {cost: x}}}"):
        bad.write_text(text)
        code, lines = refusal_to_start(contract, CONTRACTS_FILE=str(bad))
        assert code == 3
        assert [line.split()[0] for line in lines if line.startswith("CONTRACTS_FILE")]
    code, lines = refusal_to_start(contract, CONTRACTS_FILE=os.devnull + "/none")
    assert (code, lines[0].split()[0]) == (3, "CONTRACTS_FILE")
