"""What lies between two registries, without a verdict."""

from datetime import date

from schema.check import facts as facts_module
from schema.check import snapshot
from schema.check.context import Context
from schema.check.findings import Finding, InputError, in_order
from schema.check.settings import Approvals, LintSettings
from schema.check.sources import Files
from schema.check.tasks import changes, composition, events


def between(before: Files, after: Files, *, timeout: float) -> list[Finding]:
    """All changes of schema and events, worst first. Raises InputError and TimedOut."""
    base, head = snapshot.read(before), snapshot.read(after)
    found = facts_module.gather(base, head, timeout=timeout)
    # No rule that needs a day is asked here.
    context = Context(head, base, found, LintSettings(), Approvals(), None, date.min)
    faults = [*composition.parse(context).findings, *context.facts.answer["head"]["errors"]]
    if faults or not found.base_composes:
        side = "second" if faults else "first"
        raise InputError(f"The {side} registry does not compose: run `edtech schema check`.")
    return in_order([*changes.run(context).findings, *events.run(context).findings])
