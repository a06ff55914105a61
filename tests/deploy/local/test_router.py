"""The router's process: its settings reach Node, and it is ready when a supergraph is loaded."""

import json
from pathlib import Path

import httpx
import pytest

from deploy.local.errors import LocalServiceError
from deploy.local.router import Router

SERVER = """\
import http from 'node:http';
const answer = (_, response) => response.end(JSON.stringify({
  url: process.env.SUPERGRAPH_URL, node: process.version, at: process.cwd() }));
http.createServer(answer).listen(Number(process.env.ROUTER_PORT), '127.0.0.1');
const admin = http.createServer((request, response) => {
  response.statusCode = request.url === '/readiness' && process.env.READY === 'yes' ? 200 : 503;
  response.end();
});
admin.listen(Number(process.env.ROUTER_ADMIN_PORT), '127.0.0.1');
"""


@pytest.fixture
def gateway(tmp_path: Path) -> Path:
    """A server file that answers as the real one's ports do, without a supergraph to compose."""
    folder = tmp_path / "gateway"
    folder.mkdir()
    package = {"name": "sample", "version": "1.0.0", "private": True}
    lock = {**package, "lockfileVersion": 3, "requires": True, "packages": {"": package}}
    (folder / "package.json").write_text(json.dumps(package))
    (folder / "package-lock.json").write_text(json.dumps(lock))
    (folder / "server.mjs").write_text(SERVER)
    return folder


def test_settings_reach_the_router_and_readiness_is_awaited(tmp_path: Path, gateway: Path) -> None:
    settings = {"SUPERGRAPH_URL": "http://127.0.0.1:1/supergraph", "READY": "yes"}
    router = Router(tmp_path, settings=settings, gateway=gateway)
    router.start()
    try:
        answer = httpx.get(router.env()["ROUTER_URL"]).json()
    finally:
        router.stop()
    assert answer["url"] == "http://127.0.0.1:1/supergraph"
    assert answer["node"].startswith("v24.")
    assert answer["at"] == str(gateway)
    assert router.pid is None


def test_router_without_a_supergraph_is_stopped_after_its_time(
    tmp_path: Path, gateway: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Router, "start_timeout", 1.0)
    router = Router(tmp_path, settings={}, gateway=gateway)
    with pytest.raises(LocalServiceError, match="Router was not ready after 1 s"):
        router.start()
    assert router.pid is None


def test_missing_server_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    router = Router(tmp_path, settings={}, gateway=tmp_path / "empty")
    with pytest.raises(LocalServiceError, match=r"server\.mjs is missing"):
        router.start()
