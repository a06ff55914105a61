"""Kubernetes manifests, made from the registry: `edtech kubernetes | kubectl apply -f -`.

Per subgraph an API with a service, a worker and a migration job; one router, and one for each
contract of partners. Secrets are referred to by name (`edtech`, `edtech-<subgraph>`), never written
here.
"""

from collections.abc import Iterator
from typing import Any

from schema.contracts import contracts
from schema.registry import registry

API_PORT, ADMIN_PORT = 8000, 9000
ROUTER_PORT, ROUTER_ADMIN_PORT = 4000, 4001
Manifest = dict[str, Any]


def manifests(image: str, router_image: str, *, copies: int) -> Iterator[Manifest]:
    """All objects, in the order in which they can be applied."""
    for name in registry().subgraphs:
        yield _migration(name, image)
        yield _deployment(name, "api", image, ["serve", name, "--host", "0.0.0.0"], copies)  # noqa: S104
        yield _service(name, {"app": "edtech", "subgraph": name, "role": "api"}, API_PORT)
        yield _deployment(name, "worker", image, ["worker", name, "--host", "0.0.0.0"], 1)  # noqa: S104
        yield _only_from_router(name)
    yield _router("router", router_image, copies, [])
    yield _service("router", _labels("router", "router"), ROUTER_PORT)
    for name, contract in contracts().items():
        if contract.for_partners:
            yield from _contract_router(name, router_image, copies)


def _labels(name: str, role: str) -> dict[str, str]:
    return {"app": "edtech", "subgraph": name, "role": role}


def _container(name: str, image: str, command: list[str]) -> Manifest:
    return {
        "name": name,
        "image": image,
        "args": command,
        "envFrom": [
            {"configMapRef": {"name": "edtech"}},
            {"secretRef": {"name": "edtech"}},
            {"secretRef": {"name": f"edtech-{name}"}},
        ],
        "resources": {
            "requests": {"cpu": "100m", "memory": "160Mi"},
            "limits": {"memory": "512Mi"},
        },
        "securityContext": {
            "runAsNonRoot": True,
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
        },
    }


def _probes(port: int) -> Manifest:
    return {
        "livenessProbe": {"httpGet": {"path": "/health/live", "port": port}, "periodSeconds": 10},
        "readinessProbe": {"httpGet": {"path": "/health/ready", "port": port}, "periodSeconds": 5},
    }


def _deployment(name: str, role: str, image: str, command: list[str], copies: int) -> Manifest:
    labels = _labels(name, role)
    container = _container(name, image, command) | _probes(ADMIN_PORT)
    container["ports"] = [{"name": "admin", "containerPort": ADMIN_PORT}]
    if role == "api":
        container["ports"].append({"name": "http", "containerPort": API_PORT})
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": f"{name}-{role}", "labels": labels},
        "spec": {
            "replicas": copies,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                # Longer than the process's own drain of 30 seconds.
                "spec": {"terminationGracePeriodSeconds": 40, "containers": [container]},
            },
        },
    }


def _migration(name: str, image: str) -> Manifest:
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": f"{name}-migrate", "labels": _labels(name, "migrate")},
        "spec": {
            "backoffLimit": 3,
            "ttlSecondsAfterFinished": 3600,
            "template": {
                "metadata": {"labels": _labels(name, "migrate")},
                "spec": {
                    "restartPolicy": "Never",
                    "containers": [_container(name, image, ["migrate", name])],
                },
            },
        },
    }


def _service(name: str, selector: dict[str, str], port: int) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": selector, "ports": [{"name": "http", "port": port}]},
    }


def _only_from_router(name: str) -> Manifest:
    """The API may be reached by the router, and identity's keys by the other subgraphs."""
    sources = [{"podSelector": {"matchLabels": {"app": "edtech", "role": "router"}}}]
    if any(route.path.startswith("/.well-known/") for route in registry().subgraphs[name].public):
        sources.append({"podSelector": {"matchLabels": {"app": "edtech", "role": "api"}}})
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": f"{name}-api"},
        "spec": {
            "podSelector": {"matchLabels": _labels(name, "api")},
            "policyTypes": ["Ingress"],
            "ingress": [
                {"from": sources, "ports": [{"port": API_PORT}]},
                {"ports": [{"port": ADMIN_PORT}]},
            ],
        },
    }


def _contract_router(contract: str, image: str, copies: int) -> Iterator[Manifest]:
    """Its supergraph's address is in the ConfigMap, beside that of the whole graph."""
    name = f"router-{contract}"
    key = f"SUPERGRAPH_URL_{contract.upper().replace('-', '_')}"
    own: list[Manifest] = [
        {"name": "CONTRACT", "value": contract},
        {
            "name": "SUPERGRAPH_URL",
            "valueFrom": {"configMapKeyRef": {"name": "edtech", "key": key}},
        },
    ]
    yield _router(name, image, copies, own)
    yield _service(name, _labels(name, "router"), ROUTER_PORT)


def _router(name: str, image: str, copies: int, own: list[Manifest]) -> Manifest:
    labels = _labels(name, "router")
    container = _container("router", image, []) | _probes(ROUTER_ADMIN_PORT)
    container["envFrom"] = container["envFrom"][:2]
    container["env"] = [
        {"name": "ROUTER_HOST", "value": "0.0.0.0"},  # noqa: S104
        {"name": "ROUTER_PORT", "value": str(ROUTER_PORT)},
        {"name": "ROUTER_ADMIN_HOST", "value": "0.0.0.0"},  # noqa: S104
        {"name": "ROUTER_ADMIN_PORT", "value": str(ROUTER_ADMIN_PORT)},
        *own,
    ]
    container["ports"] = [
        {"name": "http", "containerPort": ROUTER_PORT},
        {"name": "admin", "containerPort": ROUTER_ADMIN_PORT},
    ]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "replicas": copies,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"terminationGracePeriodSeconds": 40, "containers": [container]},
            },
        },
    }
