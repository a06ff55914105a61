"""What still works while a part is away."""

import re
import secrets
from pathlib import Path

import httpx

from deploy.local.platform import Platform
from deploy.local.ports import free_port
from deploy.local.router import Router
from deploy.local.supergraph import SupergraphServer
from tests.e2e.client import Client, eventually


def test_one_subgraph_down_leaves_the_rest_of_the_answer(
    platform: Platform, client: Client, tmp_path: Path
) -> None:
    student = client.join()
    supergraph = tmp_path / "supergraph.graphql"
    text = platform.supergraph.file.read_text()
    for name, base in (("identity", platform.api_url), ("learning", "http://127.0.0.1:9")):
        text, changed = re.subn(
            rf'(@join__graph\(name: "{name}", url: )"[^"]*"', rf'\1"{base}/{name}/graphql"', text
        )
        assert changed == 1
    supergraph.write_text(text)
    server = SupergraphServer(supergraph, free_port())
    server.start()
    settings = {**platform.router.settings, "SUPERGRAPH_URL": server.url}
    del settings["SUBGRAPH_BASE_URL"]
    router = Router(tmp_path, settings=settings)
    try:
        router.start()
        answer = httpx.post(
            f"http://127.0.0.1:{router.port}/graphql",
            json={"query": "{ me { id name enrolledCourses { nodes { id } } } }"},
            headers={"authorization": f"Bearer {student.token}"},
            timeout=20,
            trust_env=False,
        ).json()
    finally:
        router.stop()
        server.stop()
    assert answer["data"] == {
        "me": {"id": student.user_id, "name": "Rui Costa", "enrolledCourses": None}
    }
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["UNAVAILABLE"]
    assert "127.0.0.1" not in str(answer["errors"])


def test_registration_succeeds_without_kafka_and_its_event_arrives_later(
    platform: Platform, client: Client
) -> None:
    tutor = client.join("TUTOR")
    platform.stack.kafka.kill()
    try:
        email = f"late-{secrets.token_hex(4)}@edtech.test"
        assert client.register(email, role="TUTOR")["__typename"] == "RegistrationAccepted"
        ready = httpx.get(
            f"http://127.0.0.1:{platform.ports['api_admin']}/health/ready", trust_env=False
        )
        assert ready.status_code == 200
        assert tutor.act("{ me { name } }") == {"name": "Rui Costa"}
    finally:
        platform.stack.kafka.start()
    # Learning refuses to publish the course of a tutor whom no event has told of.
    newcomer = client.login(email)
    course = newcomer.act(
        """mutation { createCourse(input: {title: "Late course", durationMinutes: 30}) {
             ... on Course { id } } }"""
    )
    publish = """mutation($id: ID!) {
      publishCourse(id: $id) { __typename ... on Problem { code } } }"""
    assert eventually(
        lambda: newcomer.act(publish, id=course["id"])["code"] == "EMAIL_NOT_VERIFIED"
    )
