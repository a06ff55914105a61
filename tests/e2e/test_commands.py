"""What operators type, against the running platform."""

import secrets
import subprocess
import sys

import httpx
import psycopg

from deploy.local.platform import Platform
from deploy.local.tools import ROOT
from schema.registry import names
from shared.events.identity import TOPIC
from shared.kafka import Outgoing, Producer
from tests.e2e.client import Client, eventually


def edtech(
    platform: Platform, *arguments: str, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "deploy", *arguments],
        env=(env or platform.env) | {"COLUMNS": "250"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def test_dead_letters_are_listed_retried_and_dropped(platform: Platform) -> None:
    mark = secrets.token_hex(4).encode()
    producer = Producer(platform.env["KAFKA_BROKERS"])
    await producer.send([Outgoing(TOPIC, "key", mark, [("ce_type", b"no.such.event")])])
    await producer.close()

    def letter() -> str | None:
        with psycopg.connect(
            host="127.0.0.1",
            port=platform.env["DB_PORT"],
            user="postgres",
            dbname="edtech_learning_db",
        ) as connection:
            row = connection.execute(
                "SELECT id::text FROM dead_letters WHERE payload = %s", (mark,)
            ).fetchone()
        return row[0] if row else None

    number = str(eventually(letter))
    listed = edtech(platform, "events", "dlq", "list", "learning")
    assert listed.returncode == 0, listed.stderr
    assert "no.such.event" in listed.stdout
    retried = edtech(platform, "events", "dlq", "retry", "learning", number)
    assert retried.returncode == 1
    assert "unknown event type" in retried.stdout
    dropped = edtech(platform, "events", "dlq", "drop", "learning", number)
    assert (dropped.returncode, dropped.stdout) == (0, "1 dropped\n")
    again = edtech(platform, "events", "dlq", "drop", "learning", number)
    assert again.returncode == 2
    assert again.stderr == f"error There is no open dead letter {number}.\n"


def test_replay_rebuilds_references_beside_the_running_worker(
    platform: Platform, client: Client
) -> None:
    client.join()
    query = "SELECT user_id::text, version, first_name, status FROM user_refs ORDER BY 1"
    with psycopg.connect(
        host="127.0.0.1",
        port=platform.env["DB_PORT"],
        user="postgres",
        dbname="edtech_learning_db",
        autocommit=True,
    ) as connection:

        def state() -> list[tuple[object, ...]]:
            return connection.execute(query).fetchall()

        # The verified address is the newest news of the last user.
        before = eventually(lambda: (s := state()) and s[-1][3] == "ACTIVE" and s)
        connection.execute("TRUNCATE user_refs")
        for _ in range(2):
            done = edtech(platform, "events", "replay", "learning")
            assert done.returncode == 0, done.stderr
            assert TOPIC in done.stdout
            assert state() == before


def test_unknown_subgraph_is_one_line(platform: Platform) -> None:
    done = edtech(platform, "serve", "payments")
    assert done.returncode == 3
    assert done.stderr == f"error No subgraph 'payments'; there are: {', '.join(names())}.\n"


def test_metrics_and_health_are_on_the_admin_port_alone(platform: Platform) -> None:
    admin = f"http://127.0.0.1:{platform.ports['api_admin']}"
    with httpx.Client(trust_env=False, timeout=10) as http:
        metrics = http.get(f"{admin}/metrics").text
        for name in (
            "edtech_request_seconds_count",
            "edtech_db_pool",
            "edtech_outbox_depth",
            "edtech_events_published_total",
            "edtech_events_consumed_total",
            "edtech_consumer_lag",
        ):
            assert name in metrics, name
        assert http.get(f"{admin}/health/live").status_code == 200
        assert http.get(f"{admin}/health/ready").json()["status"] == "ready"
        for path in ("/metrics", "/health/ready"):
            assert http.get(f"{platform.api_url}{path}").status_code == 404
            assert http.get(f"{platform.router_url}{path}").status_code == 404
