"""Valkey: a cache that starts empty every time."""

from pathlib import Path

import redis

from deploy.local.valkey import Valkey


def test_value_is_read_back_and_lost_at_a_restart(tmp_path: Path) -> None:
    service = Valkey(tmp_path)
    service.start()
    try:
        with redis.Redis.from_url(service.env()["VALKEY_URL"]) as client:
            client.set("greeting", "hello")
            assert client.get("greeting") == b"hello"
            assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "allkeys-lru"}
        service.restart()
        with redis.Redis.from_url(service.env()["VALKEY_URL"]) as client:
            assert client.get("greeting") is None
    finally:
        service.stop()
    assert service.pid is None
