"""`edtech schema …`: export, compose, check, compare and publish the registry."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from schema import export
from schema.check import codes, diff, published, run, snapshot, sources
from schema.check.findings import Finding, InputError, TimedOut, WrongUsage
from schema.check.formats import Format, text, write
from schema.registry import ROOT

FAILED, WRONG_USAGE, BAD_INPUT, TIMED_OUT = 1, 2, 3, 4

out = Console()
err = Console(stderr=True)
schema_app = typer.Typer(no_args_is_help=True, help="Export, check and publish the schema.")

Root = Annotated[
    Path | None,
    typer.Option(help="The repository to look at; this one without.", file_okay=False, exists=True),
]
Timeout = Annotated[float, typer.Option(help="Seconds until exit code 4.", min=0.001)]


@contextmanager
def _refusals() -> Iterator[None]:
    """What the caller can mend is one line and an exit code."""
    try:
        yield
    except (WrongUsage, InputError, TimedOut) as error:
        code = {WrongUsage: WRONG_USAGE, InputError: BAD_INPUT, TimedOut: TIMED_OUT}[type(error)]
        err.print(f"[red]error[/] {_line(error)}", highlight=False, soft_wrap=True)
        raise typer.Exit(code) from None


def _line(error: Exception) -> str:
    # Brackets would be taken for markup.
    return " ".join(str(error).split()).replace("[", r"\[")


@schema_app.command("export", epilog="Example: edtech schema export && git diff schema/")
def schema_export() -> None:
    """Write SDL, supergraph and event schemas to schema/."""
    changed = export.write()
    for path in changed:
        out.print(f"[yellow]changed[/] {path}")
    out.print(f"{len(changed)} files changed")


@schema_app.command("compose", epilog="Example: edtech schema compose --to supergraph.graphql")
def schema_compose(
    to: Annotated[Path, typer.Option(help="The file to write; replaced in one step.")],
    contract: Annotated[
        list[str] | None, typer.Option(help="Write its supergraph, too, to contracts/ beside it.")
    ] = None,
) -> None:
    """Compose the supergraph from the code and write it where the router can fetch it."""
    for path, content in export.supergraphs(to, contract or []).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(f".{os.getpid()}")
        unfinished.write_text(content, encoding="utf-8")
        unfinished.replace(path)
        err.print(f"{path}: {len(content.splitlines())} lines")


@schema_app.command("drift", epilog="Example: edtech schema drift")
def schema_drift() -> None:
    """Fail when the files in schema/ are not what the code says."""
    lines = export.differences()
    for line in lines:
        out.print(f"[red]differs[/] {line}")
    if lines:
        raise typer.Exit(FAILED)
    out.print("[green]schema/ is what the code says[/]")


@schema_app.command("check", epilog="Example: edtech schema check --baseline main --format json")
def schema_check(
    baseline: Annotated[
        str | None,
        typer.Option(
            help="Git revision, folder, or published version (folder or s3:// URL, @N for one of"
            " them); without it, where HEAD left the default branch."
        ),
    ] = None,
    subgraph: Annotated[
        str | None, typer.Option(help="Check a proposed SDL for this subgraph (with --sdl).")
    ] = None,
    sdl: Annotated[Path | None, typer.Option(help="The proposed SDL (with --subgraph).")] = None,
    usage: Annotated[
        Path | None, typer.Option(help="What clients used: one JSON object per line.")
    ] = None,
    form: Annotated[
        Format, typer.Option("--format", help="How the report is written.")
    ] = Format.TEXT,
    output: Annotated[Path | None, typer.Option(help="Write the report to this file.")] = None,
    warn_only: Annotated[bool, typer.Option(help="Exit with 0 when the check fails.")] = False,
    today: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="The day for expiries; the head commit's without."),
    ] = None,
    timeout: Timeout = run.DEFAULT_TIMEOUT_SECONDS,
    root: Root = None,
) -> None:
    """Say whether a change of the schema breaks anybody.

    Exit codes: 0 passed, 1 failed, 2 wrong usage, 3 bad input or configuration, 4 timed out.
    """
    proposal = run.Proposal(
        root=(root or ROOT).resolve(),
        baseline=baseline,
        subgraph=subgraph,
        sdl=sdl,
        usage=usage,
        today=today.date() if today else None,
        warn_only=warn_only,
        timeout=timeout,
    )
    with _refusals():
        report = run.check(proposal, _show if sys.stderr.isatty() else run.silent)
        _deliver(write(report, form), output)
    if report.failed and not warn_only:
        raise typer.Exit(FAILED)


@schema_app.command("explain", epilog="Example: edtech schema explain FIELD_REMOVED")
def schema_explain(
    code: Annotated[str | None, typer.Argument(help="A code; a list of all without.")] = None,
) -> None:
    """Say what a finding's code means and what to do about it."""
    known = codes.all_codes()
    if code is None:
        for each in known.values():
            _say(f"{each.task:<12} {each.code:<42} {each.meaning}")
        return
    with _refusals():
        if code.upper() not in known:
            raise WrongUsage(f"There is no code {code!r}; `edtech schema explain` lists them.")
    found = known[code.upper()]
    _say(f"{found.code} ({found.task})\n{found.meaning}\nWhat to do: {found.remedy}")


@schema_app.command("diff", epilog="Example: edtech schema diff v1.4.0 HEAD")
def schema_diff(
    before: Annotated[str, typer.Argument(help="Git revision, folder or published version.")],
    after: Annotated[str, typer.Argument(help="The same, for the newer registry.")],
    timeout: Timeout = run.DEFAULT_TIMEOUT_SECONDS,
    root: Root = None,
) -> None:
    """Show what changed between two registries, worst first, without a verdict."""
    base = (root or ROOT).resolve()
    with _refusals():
        found = diff.between(run.load(base, before), run.load(base, after), timeout=timeout)
    for finding in found:
        _say("\n".join(text.finding_lines(finding)))
    _say(f"{len(found)} changes")


@schema_app.command("publish", epilog="Example: edtech schema publish --to s3://schemas/edtech")
def schema_publish(
    to: Annotated[str, typer.Option(help="A folder or an s3:// URL that keeps the versions.")],
    timeout: Timeout = run.DEFAULT_TIMEOUT_SECONDS,
    root: Root = None,
) -> None:
    """Keep schema/ as the next immutable version, with what changed since the last one."""
    base = (root or ROOT).resolve()
    with _refusals():
        files = sources.from_folder(base)
        snapshot.read(files)
        revision = sources.resolve(base, "HEAD") if sources.is_repository(base) else None

        def changes(last: sources.Files) -> list[dict[str, str]]:
            return [_entry(each) for each in diff.between(last, files, timeout=timeout)]

        version = published.publish(to, files, revision=revision, changes=changes)
    for entry in version.changelog:
        _say(f"{entry['severity']:<9} {entry['change']}: {entry['message']}")
    about = "" if version.is_new else ", which holds the same files already"
    _say(f"version {version.number}{about}")


def _entry(finding: Finding) -> dict[str, str]:
    return {
        "change": finding.id,
        "severity": finding.severity.value,
        "message": finding.message,
    }


def _show(step: str) -> None:
    err.print(f"[dim]{step}[/]", highlight=False)


def _say(line: str) -> None:
    # Unlike the console, it neither wraps nor takes brackets for markup.
    sys.stdout.write(f"{line}\n")


def _deliver(report: str, output: Path | None) -> None:
    if output is None:
        sys.stdout.write(report)
        return
    try:
        output.write_text(report, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{output} cannot be written: {error.strerror}.") from None
