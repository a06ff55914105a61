"""Logs of a process: one JSON line each, with the request's id, without what belongs to people."""

import json
import subprocess
import sys
from typing import Any

import pytest

from shared.telemetry import current_causation, current_correlation, story

SECRET = "ana@example.test"
PROGRAM = f"""
import asyncio, gc, logging
from shared.config import PlatformSettings
from shared.telemetry import configure, log, story

configure(PlatformSettings(), "test")
log.debug("below the level")
with story(correlation="req-1"):
    with story(correlation="req-2", causation="event-1"):
        log.info("inner", number=1)
    log.info("outer\\nsecond line")
log.info("after")

def fail():
    try:
        raise ValueError("{SECRET}")
    except ValueError as error:
        raise LookupError("{SECRET}") from error

with story(correlation="req-3"):
    try:
        fail()
    except LookupError:
        log.exception("failed", subgraph="learning")
    try:
        fail()
    except LookupError:
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application\\n")

logging.getLogger("psycopg.pool").warning("connecting %r: %s", "pool-1", ValueError("{SECRET}"))
logging.getLogger("library").error(ValueError("{SECRET}"))
logging.getLogger("library").info("below the level of libraries")

async def forgotten():
    task = asyncio.create_task(asyncio.to_thread(fail))
    await asyncio.wait([task])
    del task
    gc.collect()

asyncio.run(forgotten())
"""


def logs(monkeypatch: pytest.MonkeyPatch, environment: str) -> list[dict[str, Any]]:
    """What the program logs; each line must be JSON."""
    settings = {
        "EDTECH_ENV": environment,
        "LOG_LEVEL": "INFO",
        "KAFKA_BROKERS": "127.0.0.1:9",
        "GATEWAY_SECRET": "x" * 32,
        "SEAL_SECRET": "x" * 32,
        "JWKS_URL": "http://127.0.0.1/jwks.json",
        "JWT_ISSUER": "http://127.0.0.1",
        "PUBLIC_URL": "http://127.0.0.1",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == ""
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_log_is_lines_of_json_without_the_text_of_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    found = logs(monkeypatch, "production")
    assert [(entry["event"], entry["level"], entry.get("request_id")) for entry in found] == [
        ("inner", "info", "req-2"),
        ("outer\nsecond line", "info", "req-1"),
        ("after", "info", None),
        ("failed", "error", "req-3"),
        ("Exception in ASGI application", "error", "req-3"),
        ("connecting 'pool-1': ValueError", "warning", None),
        ("ValueError", "error", None),
        ("Task exception was never retrieved", "error", None),
    ]
    assert SECRET not in json.dumps(found)
    assert found[0]["number"] == 1
    assert all(entry["timestamp"].endswith("Z") for entry in found)
    for entry in (found[3], found[4], found[7]):
        assert [each["type"] for each in entry["exception"]] == [
            "builtins.LookupError",
            "builtins.ValueError",
        ]
        assert entry["exception"][0]["stack"][-1].endswith(" fail")
    assert [entry.get("logger") for entry in found[4:]] == [
        "uvicorn.error",
        "psycopg.pool",
        "library",
        "asyncio",
    ]


def test_developers_see_the_text_of_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    found = logs(monkeypatch, "development")
    assert len(found) == 8
    [failed] = [entry for entry in found if entry["event"] == "failed"]
    assert f"LookupError: {SECRET}" in failed["exception"]


def test_story_nests_and_ends() -> None:
    def now() -> tuple[str | None, str | None]:
        return current_correlation(), current_causation()

    seen = [now()]
    with story(correlation="a"):
        seen.append(now())
        with pytest.raises(ZeroDivisionError), story(correlation="b", causation="e"):
            seen.append(now())
            raise ZeroDivisionError
        seen.append(now())
    seen.append(now())
    assert seen == [(None, None), ("a", None), ("b", "e"), ("a", None), (None, None)]
