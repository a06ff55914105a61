"""Task 5: every registered document against the baseline and the proposal."""

from collections.abc import Iterator

from schema.check.context import Context
from schema.check.facts import DocumentFacts
from schema.check.findings import Finding, Hit, Place, Severity, Task
from schema.check.snapshot import RegisteredDocument


def run(context: Context) -> Task:
    """Broken, potentially affected or unaffected, with client, version, operation and line."""
    task = Task("operations", facts={"documents": len(context.head.documents)})
    if not context.head.documents and not context.head.misplaced:
        task.skipped = "no documents are registered"
        return task
    for path in context.head.misplaced:
        message = "A document stands in schema/operations/<client>/<version>/."
        task.findings.append(
            Finding("DOCUMENT_MISPLACED", Severity.ERROR, message, place=Place(path, 1))
        )
    task.findings += _shapes(context)
    if not context.composes:
        if not task.findings:
            task.skipped = "the subgraphs do not compose"
        return task
    broken: set[str] = set()
    for facts in context.facts.answer["documents"]:
        found = list(_errors(context, facts))
        if found or facts["syntax"] is not None:
            broken.add(facts["id"])
        task.findings += found
    affected = list(_affected(context, broken))
    task.findings += affected
    task.findings += _retired(context)
    task.facts |= {
        "broken": len(broken),
        "potentially_affected": len({each.place.file for each in affected if each.place}),
    }
    task.facts["unchecked"] = sum(
        facts["syntax"] is None and facts["errors"]["head"] is None
        for facts in context.facts.answer["documents"]
    )
    judged = ("broken", "potentially_affected", "unchecked")
    task.facts["unaffected"] = len(context.head.documents) - sum(
        map(task.facts.__getitem__, judged)
    )
    return task


def _shapes(context: Context) -> Iterator[Finding]:
    """What is wrong with a document whatever the schema."""
    first: dict[str, tuple[RegisteredDocument, int]] = {}
    for facts in context.facts.answer["documents"]:
        document = context.head.documents[facts["id"]]
        if facts["syntax"] is not None:
            place = Place(document.path, facts["syntax"]["line"])
            yield Finding(
                "DOCUMENT_SYNTAX", Severity.ERROR, facts["syntax"]["message"], place=place
            )
            continue
        operations = facts["operations"]
        if len(operations) != 1 or operations[0]["name"] is None:
            message = (
                "A document has one operation with a name;"
                f" this one has {len(operations)} operations."
            )
            line = operations[0]["line"] if operations else 1
            place = Place(document.path, line)
            yield Finding("DOCUMENT_OPERATIONS", Severity.ERROR, message, place=place)
            continue
        name, line = operations[0]["name"], operations[0]["line"]
        known, _ = first.setdefault(name, (document, line))
        same_version = (known.client, known.version) == (document.client, document.version)
        if known is not document and (known.client != document.client or same_version):
            yield Finding(
                "OPERATION_NAME_TAKEN",
                Severity.ERROR,
                f"{name} is the name of the operation in {known.path}, too.",
                coordinate=name,
                detail=document.client,
                place=Place(document.path, line),
            )


def _errors(context: Context, facts: DocumentFacts) -> Iterator[Finding]:
    if facts["syntax"] is not None:
        return
    document = context.head.documents[facts["id"]]
    before, after = facts["errors"]["base"], facts["errors"]["head"]
    if after is None:
        # Its contract cannot be composed, which the contract is blamed for.
        return
    was_valid = before is not None and not before
    for fault in after:
        name = facts["operations"][0]["name"] if facts["operations"] else None
        finding = Finding(
            "OPERATION_BROKEN" if was_valid else "DOCUMENT_INVALID",
            Severity.BREAKING if was_valid else Severity.ERROR,
            fault["message"],
            coordinate=f"{document.client}/{document.version}/{name or 'anonymous'}",
            place=Place(document.path, fault["line"]),
        )
        if was_valid:
            finding.follows = tuple(
                change.id
                for change in context.changes
                if change.severity is Severity.BREAKING
                and any(hit.place.file == document.path for hit in change.hits)
            )
        yield finding


def _affected(context: Context, broken: set[str]) -> Iterator[Finding]:
    causes: dict[tuple[str, str, str], tuple[Hit, list[str]]] = {}
    for change in context.changes:
        for hit in change.hits:
            if hit.place.file not in broken:
                key = (hit.client, hit.version, hit.operation)
                causes.setdefault(key, (hit, []))[1].append(change.id)
    for (client, version, operation), (hit, changes) in sorted(causes.items()):
        yield Finding(
            "OPERATION_AFFECTED",
            Severity.WARNING,
            f"It still runs, but uses what changed: {', '.join(sorted(changes))}.",
            coordinate=f"{client}/{version}/{operation}",
            place=hit.place,
            follows=tuple(sorted(changes)),
        )


def _retired(context: Context) -> Iterator[Finding]:
    """Documents that are no longer protected: nobody may miss that."""
    if context.base is None:
        return
    for path in sorted(context.base.documents.keys() - context.head.documents.keys()):
        document = context.base.documents[path]
        yield Finding(
            "DOCUMENT_RETIRED",
            Severity.WARNING,
            f"{path} is no longer registered: what it uses is no longer kept.",
            coordinate=f"{document.client}/{document.version}",
            detail=path.rpartition("/")[2],
        )
