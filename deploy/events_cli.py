"""`edtech events …`: dead letters and replay."""

import asyncio
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

out = Console()
err = Console(stderr=True)
events_app = typer.Typer(no_args_is_help=True, help="Dead letters and replay.")
dlq_app = typer.Typer(no_args_is_help=True, help="Events that could not be applied.")
events_app.add_typer(dlq_app, name="dlq")

Name = Annotated[str, typer.Argument(help="Name of one subgraph.")]

# deploy.events and the registry are imported by each command: they load a subgraph's code.


@dlq_app.command("list", epilog="Example: edtech events dlq list learning")
def dlq_list(subgraph: Name) -> None:
    """Show the dead letters of a subgraph."""
    from deploy import events
    from schema.registry import load_subgraph

    async def work() -> list[events.DeadLetter]:
        async with events.opened(load_subgraph(subgraph)) as runtime:
            return await events.dead_letters(runtime)

    letters = asyncio.run(work())
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
    from deploy import events
    from schema.registry import load_subgraph

    async def work() -> list[events.Outcome]:
        chosen = load_subgraph(subgraph)
        async with events.opened(chosen) as runtime:
            return await events.retry(chosen, runtime, ids)

    outcomes = asyncio.run(work())
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
    from deploy import events
    from schema.registry import load_subgraph

    async def work() -> None:
        async with events.opened(load_subgraph(subgraph)) as runtime:
            await events.drop(runtime, ids)

    asyncio.run(work())
    out.print(f"{len(ids)} dropped")


@events_app.command("replay", epilog="Example: edtech events replay learning")
def events_replay(subgraph: Name) -> None:
    """Rebuild a subgraph's reference tables from the compacted topics."""
    from rich.progress import Progress

    from deploy import events
    from schema.registry import load_subgraph

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

        counts = asyncio.run(work())
    for topic, count in counts.items():
        out.print(f"{topic}: {count} events applied")
