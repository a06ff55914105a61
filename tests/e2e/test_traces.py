"""One trace leads from the router through subgraph, SQL and Kafka to the consumer."""

import secrets

from deploy.local.platform import Platform
from schema.registry import names
from tests.e2e.client import eventually, web_app
from tests.e2e.collector import Collector, Span

ALL = "+".join(names())


def test_one_trace_from_the_router_to_the_consumer(
    split_platform: Platform, collector: Collector
) -> None:
    trace = secrets.token_hex(16)
    with web_app(
        split_platform, headers={"traceparent": f"00-{trace}-{secrets.token_hex(8)}-01"}
    ) as client:
        client.register(f"traced-{secrets.token_hex(4)}@edtech.test")

    def spans(service: str, name: str = "") -> list[Span]:
        return [
            span
            for span in list(collector.spans)
            if span.service == service
            and (span.trace == trace or trace in span.links)
            and name in span.name
        ]

    eventually(lambda: spans("router"))
    [server] = eventually(lambda: spans(f"{ALL}-api", "/graphql"))
    assert server.name == "POST /identity/graphql"
    assert server.parent in {span.id for span in spans("router")}
    sql = eventually(lambda: spans(f"{ALL}-api", "INSERT"))
    assert any("INSERT INTO outbox" in span.attributes["db.query.text"] for span in sql)
    assert not any("edtech.test" in str(span.attributes) for span in sql)
    [consumed] = eventually(lambda: spans(f"{ALL}-worker", "learning user_state"))
    assert trace in consumed.links
