"""`edtech local …` and `edtech demo`: what runs on the embedded services.

Commands import what they work with, so that `--help` does not load every subgraph's code.
"""

import asyncio
import shlex
from typing import Annotated

import typer
from rich.console import Console

out = Console()
err = Console(stderr=True)
PARTS = "queries, events, scale, checks or executor"
local_app = typer.Typer(no_args_is_help=True, help="The whole platform on this machine.")


def demonstrate() -> None:
    """Walk the journey of a tutor and a student through the router."""
    from deploy import demo

    demo.run(out)


def bench(
    quick: Annotated[bool, typer.Option(help="Small numbers, under a minute.")] = False,
    only: Annotated[str | None, typer.Option(help=f"One part: {PARTS}.")] = None,
) -> None:
    """Measure queries and events on a platform of its own; fails when costs are not constant."""
    from deploy.bench import run as benchmarks

    part = None
    if only is not None:
        try:
            part = benchmarks.Only(only)
        except ValueError:
            raise typer.BadParameter(f"is {PARTS}", param_hint="--only") from None
    plan = benchmarks.QUICK if quick else benchmarks.Plan()
    if not benchmarks.run(out, err, plan=plan, only=part):
        raise typer.Exit(1)


@local_app.command("up", epilog="Example: EDTECH_ROUTER_PORT=4400 edtech local up")
def up() -> None:
    """Start the whole platform here, with demo data, and wait for Ctrl-C."""
    from deploy import dev

    dev.up(err)


@local_app.command("prepare")
def prepare() -> None:
    """Install what pip cannot (Kafka, the router's and the emulators' packages), once."""
    from deploy import dev

    with dev.ProgressTable(err) as table:
        dev.prepare(table.show)


@local_app.command("drift")
def drift() -> None:
    """Fail when a subgraph's tables are not what its migrations make."""
    from deploy import revisions

    lines = revisions.drifted()
    for line in lines:
        out.print(f"[red]drifts[/] {line}", highlight=False)
    if lines:
        raise typer.Exit(1)
    out.print("[green]models and migrations agree[/]")


@local_app.command("revision", epilog='Example: edtech local revision learning "add waitlist"')
def revision(
    subgraph: Annotated[str, typer.Argument(help="Name of one subgraph.")],
    message: Annotated[str, typer.Argument(help="What changes, in a few words.")],
) -> None:
    """Write the migration from a subgraph's present revision to its models; read it before use."""
    from deploy import revisions

    revisions.write_revision(subgraph, message)


@local_app.command("seed", hidden=True)
def seed() -> None:
    """Load the demo data into the platform that the environment leads to."""
    from deploy import demo_data, dev

    asyncio.run(demo_data.seed(demo_data.password_in(dev.FOLDER / "demo-password")))


@local_app.command("env", epilog='Example: eval "$(edtech local env)"')
def env() -> None:
    """Print the settings of the running `make dev` for other commands of this shell."""
    from deploy import dev
    from deploy.local.errors import LocalServiceError
    from deploy.local.platform import running_environment

    environment = running_environment(dev.FOLDER)
    if environment is None:
        raise LocalServiceError("`make dev` is not running here: start it first.")
    for name, value in sorted(environment.items()):
        out.print(
            f"export {name}={shlex.quote(value)}", markup=False, highlight=False, soft_wrap=True
        )


@local_app.command("reset")
def reset() -> None:
    """Remove the data of `make dev`; installed tools stay."""
    from deploy import dev

    dev.reset()
    out.print("The data of `make dev` is removed.")
