"""`edtech schema documents` and `edtech schema site`: what clients and partners rely on."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from schema import documents as registered
from schema.site.pages import site as site_files

BAD_INPUT = 3

out = Console(soft_wrap=True)
err = Console(stderr=True, soft_wrap=True)


def documents(
    manifest: Annotated[
        Path | None, typer.Option(help="Write {id: text} here, for the router's TRUSTED_DOCUMENTS.")
    ] = None,
) -> None:
    """List the documents that clients registered in schema/operations/, with their ids.

    Exits with 1 when the public schema does not allow one, with 3 when one cannot be read.
    """
    try:
        found = registered.read()
        faults = registered.invalid(found, registered.public_schema())
    except registered.DocumentError as error:
        _complain(error.findings)
        raise typer.Exit(BAD_INPUT) from None
    _complain(faults)
    if faults:
        raise typer.Exit(1)
    if manifest is not None:
        _write(manifest, registered.manifest(found))
        err.print(f"{manifest}: {len(found)} documents", highlight=False)
        return
    for each in found:
        line = f"{each.id}  {each.client}/{each.version}  {each.kind} {each.name}"
        out.print(line, highlight=False, markup=False)


def site(
    to: Annotated[Path, typer.Option(help="The folder to write to; made when it is missing.")],
    api_url: Annotated[
        str, typer.Option(help="Where partners reach the platform, for the examples.")
    ] = "https://api.example.org",
) -> None:
    """Write the page of each contract: static HTML, with nothing from elsewhere."""
    files = site_files(api_url=api_url.rstrip("/"))
    for name, text in files.items():
        _write(to / name, text)
    err.print(f"{to}: {len(files)} pages", highlight=False)


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        err.print(f"[red]error[/] {path} cannot be written: {error.strerror}.", highlight=False)
        raise typer.Exit(BAD_INPUT) from None


def _complain(findings: list[registered.Finding]) -> None:
    for finding in findings:
        err.print(str(finding), highlight=False, markup=False)
