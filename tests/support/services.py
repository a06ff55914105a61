"""The embedded services of one test run, shared by all its processes.

Under xdist the controller starts them and hands the addresses on in the environment; each worker
then has databases of its own, cloned from templates that the real migrations built.
"""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from deploy import provision
from deploy.local.contracts import audiences
from deploy.local.stack import Stack, temporary_stack
from schema.registry import load_subgraph, names
from shared.config import load

SECRET = "a-secret-of-the-tests-with-enough-characters"
SEAL_SECRET = "what-the-tests-seal-offers-with-is-long-enough"
ISSUER = "http://identity.test"
PUBLIC_URL = "http://web.test"
SHARED = "EDTECH_TEST_SERVICES"  # the folder of the run whose services are to be used


def start(stack: ExitStack) -> Stack:
    """Start the services of a run and write their addresses to the environment."""
    services = stack.enter_context(temporary_stack())
    folder = tempfile.TemporaryDirectory(prefix="edtech-run-")
    stack.enter_context(folder)
    os.environ.update(platform_environment(services))
    os.environ[SHARED] = folder.name
    return services


def platform_environment(services: Stack) -> dict[str, str]:
    """Settings of all subgraphs for these services."""
    found = services.env()
    environment = {
        **found,
        "EDTECH_ENV": "test",
        "KAFKA_REPLICATION_FACTOR": "1",
        "GATEWAY_SECRET": SECRET,
        "SEAL_SECRET": SEAL_SECRET,
        "JWT_ISSUER": ISSUER,
        "JWT_AUDIENCE": audiences(),
        "JWKS_URL": "http://127.0.0.1:9/jwks.json",
        "PUBLIC_URL": PUBLIC_URL,
        "DB_ADMIN_USER": "postgres",
        "IDENTITY_MASTER_KEY": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
        "IDENTITY_MAIL_FROM": "EdTech <no-reply@edtech.test>",
    }
    for name in names():
        prefix = name.upper()
        environment |= {
            f"{prefix}_DB_HOST": found["DB_HOST"],
            f"{prefix}_DB_PORT": found["DB_PORT"],
            f"{prefix}_DB_PASSWORD": f"password-of-{name}",
            f"{prefix}_DB_POOL_MAX": "6",
            # A busy machine is not what these tests are about.
            f"{prefix}_DB_CONNECT_TIMEOUT_SECONDS": "15",
            f"{prefix}_DB_STATEMENT_TIMEOUT_MS": "15000",
        }
    return environment


def use_own_databases(worker: str) -> None:
    """Point this process at databases and a Valkey index of its own."""
    index = int("".join(filter(str.isdigit, worker)) or "0") + 1
    os.environ["VALKEY_URL"] = f"{os.environ['VALKEY_URL'].rstrip('/')}/{index}"
    # The simulated provider keeps books by key.
    os.environ["STRIPE_API_KEY"] = f"sk_test_{worker}"
    for name in names():
        os.environ[f"{name.upper()}_DB_NAME"] = f"edtech_{name}_db_test_{worker}"


_made: set[str] = set()


def ensure_database(name: str) -> None:
    """This worker's database of a subgraph, made once from its migrated template."""
    if name not in _made:
        _clone_database(name)
        _made.add(name)


def _clone_database(name: str) -> None:
    own = os.environ[f"{name.upper()}_DB_NAME"]
    template = f"edtech_{name}_db_test_template"
    subgraph = load_subgraph(name)
    admin = load(provision.AdminSettings)
    with _alone(name):
        with as_admin() as connection:
            known = connection.execute(
                "SELECT 1 FROM pg_database WHERE datname = %s", (template,)
            ).fetchone()
        if not known:
            os.environ[f"{name.upper()}_DB_NAME"] = template
            provision.create_database(load(subgraph.settings), admin)
            provision.upgrade(name)
            os.environ[f"{name.upper()}_DB_NAME"] = own
        settings = load(subgraph.settings)
        with as_admin() as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER {} STRATEGY FILE_COPY").format(
                    sql.Identifier(own), sql.Identifier(template), sql.Identifier(settings.login)
                )
            )
            connection.execute(
                sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(own))
            )


def as_admin() -> psycopg.Connection[tuple[object, ...]]:
    """A superuser's connection to the shared PostgreSQL."""
    return psycopg.connect(
        host=os.environ["DB_HOST"],
        port=os.environ["DB_PORT"],
        user="postgres",
        dbname="postgres",
        autocommit=True,
    )


@contextmanager
def _alone(name: str) -> Iterator[None]:
    with (Path(os.environ[SHARED]) / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
