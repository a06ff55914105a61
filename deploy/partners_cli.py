"""`edtech partners …`: partners' programs for operators, as the graph has them for admins."""

import asyncio
from typing import Annotated
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Table

out = Console()
err = Console(stderr=True)
partners_app = typer.Typer(no_args_is_help=True, help="Partners' programs: who may use a contract.")

ClientId = Annotated[UUID, typer.Argument(help="The client_id.")]

# deploy.partners is imported by each command, since it loads the code of identity.


@partners_app.command(
    "create", epilog="Example: edtech partners create 'School One' --contract partner-catalog"
)
def create(
    name: Annotated[str, typer.Argument(help="Whose program it is.")],
    contract: Annotated[str, typer.Option(help="A contract of schema/contracts.yaml.")],
    scope: Annotated[
        list[str] | None, typer.Option(help="A scope of the contract; all of them without.")
    ] = None,
    acts_for: Annotated[
        UUID | None, typer.Option(help="The account whose own things it may read.")
    ] = None,
    contact: Annotated[str | None, typer.Option(help="An address for notices.")] = None,
) -> None:
    """Register a program; its secret is shown this once."""
    from deploy import partners

    issued = asyncio.run(
        partners.create(
            name=name, contract=contract, scopes=scope, acts_for=acts_for, contact=contact
        )
    )
    _show_secret(issued.client.id, issued.secret)


@partners_app.command("list", epilog="Example: edtech partners list")
def list_() -> None:
    """Show all programs, the newest first."""
    from deploy import partners

    rows = asyncio.run(partners.every())
    table = Table("client_id", "name", "contract", "scopes", "acts for", "state")
    for row in rows:
        state = "revoked" if row.revoked_at else "active"
        acts_for = str(row.acts_for or "-")
        table.add_row(str(row.id), row.name, row.contract, " ".join(row.scopes), acts_for, state)
    out.print(table if rows else "No programs.")


@partners_app.command("show", epilog="Example: edtech partners show CLIENT_ID")
def show(client_id: ClientId) -> None:
    """Show one program."""
    from deploy import partners

    program = asyncio.run(partners.get(client_id))
    row = program.client
    facts = {
        "client_id": row.id,
        "name": row.name,
        "contract": row.contract,
        "scopes": " ".join(row.scopes),
        "acts for": row.acts_for or "-",
        "contact": row.contact or "-",
        "valid secrets": program.valid_secrets,
        "created": f"{row.created_at:%Y-%m-%d %H:%M:%S %Z}",
        "revoked": f"{row.revoked_at:%Y-%m-%d %H:%M:%S %Z}" if row.revoked_at else "-",
    }
    for fact, value in facts.items():
        _line(f"{fact}: {value}")


@partners_app.command(
    "rotate", epilog="Example: edtech partners rotate CLIENT_ID --overlap-hours 48"
)
def rotate(
    client_id: ClientId,
    overlap_hours: Annotated[
        int, typer.Option(help="How long the present secret works.", min=0, max=168)
    ] = 24,
) -> None:
    """Give a program a new secret, shown this once; the present one works for a while more."""
    from deploy import partners

    issued = asyncio.run(partners.rotate(client_id, overlap_hours))
    _show_secret(issued.client.id, issued.secret)


@partners_app.command("revoke", epilog="Example: edtech partners revoke CLIENT_ID")
def revoke(client_id: ClientId) -> None:
    """Close a program; tokens that are out end within a minute."""
    from deploy import partners

    row = asyncio.run(partners.revoke(client_id))
    _line(f"{row.name} ({row.id}) is revoked")


def _show_secret(client_id: UUID, secret: str) -> None:
    # Data on stdout, so that a script can take it; the warning beside it.
    _line(f"client_id: {client_id}")
    _line(f"client_secret: {secret}")
    err.print("The secret is kept as a hash: it cannot be shown again.")


def _line(text: str) -> None:
    out.print(text, markup=False, highlight=False, soft_wrap=True)
