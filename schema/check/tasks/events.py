"""Task 9: events that others listen to, and the references that are filled from them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from schema.check.context import Context
from schema.check.findings import Finding, Place, Severity, Task
from schema.check.snapshot import EVENTS, REFERENCES

Schema = dict[str, Any]
# Words that say nothing of what a value may be.
_WORDS = frozenset({"title", "description", "default", "examples", "$defs", "properties", "enum"})


@dataclass(frozen=True)
class Field:
    """What a reader may expect of one field of an event."""

    type: str
    nullable: bool
    values: frozenset[str] | None
    required: bool


def run(context: Context) -> Task:
    """Old records stay readable, and new ones too for yesterday's consumers."""
    task = Task("events", facts={"events": len(context.head.events)})
    if not context.head.events and not (context.base and context.base.events):
        task.skipped = "there are no events"
        return task
    if context.base is not None:
        task.findings += _compatibility(context, context.base.events)
    task.findings += _references(context)
    return task


def fields(schema: Schema) -> dict[str, Field]:
    """Every field of an event by its path, such as `price.amount` or `roles[]`."""
    return dict(_fields(schema, schema, "", ()))


def _fields(
    schema: Schema, root: Schema, path: str, refs: tuple[str, ...]
) -> Iterator[tuple[str, Field]]:
    required = set(schema.get("required", ()))
    for name, given in sorted(schema.get("properties", {}).items()):
        where = f"{path}.{name}" if path else name
        yield from _field(given, root, where, refs, required=name in required)


def _field(
    given: Schema, root: Schema, path: str, refs: tuple[str, ...], *, required: bool
) -> Iterator[tuple[str, Field]]:
    schema, refs, nullable = _resolved(given, root, refs)
    values = schema.get("enum", [schema["const"]] if "const" in schema else None)
    rest = {
        word: value
        for word, value in schema.items()
        if word not in _WORDS and word not in ("required", "items", "const")
    }
    if values is not None:
        # One value is written as a constant, several as a list: the same to a reader.
        rest.setdefault("type", "string")
    yield (
        path,
        Field(
            json.dumps(rest, sort_keys=True),
            nullable,
            None if values is None else frozenset(map(str, values)),
            required,
        ),
    )
    if "properties" in schema:
        yield from _fields(schema, root, path, refs)
    if isinstance(schema.get("items"), dict):
        yield from _field(schema["items"], root, f"{path}[]", refs, required=True)


def _resolved(
    schema: Schema, root: Schema, refs: tuple[str, ...]
) -> tuple[Schema, tuple[str, ...], bool]:
    """A schema behind its references, and whether null is allowed beside it."""
    nullable = False
    while True:
        options = schema.get("anyOf")
        if isinstance(options, list) and {"type": "null"} in options and len(options) == 2:
            nullable = True
            schema = next(each for each in options if each != {"type": "null"})
            continue
        name = schema.get("$ref", "")
        # A type that holds itself has been told once already.
        if not name or name in refs:
            return schema, refs, nullable
        refs = (*refs, name)
        schema = root.get("$defs", {}).get(name.rpartition("/")[2], {})


def _compatibility(context: Context, before: dict[str, Schema]) -> Iterator[Finding]:
    after = context.head.events

    def say(
        code: str, severity: Severity, message: str, event: str, detail: str | None = None
    ) -> Finding:
        place = _place(context, event, detail) if event in after else None
        scopes = {"events": severity}
        return Finding(code, severity, message, event, detail, place=place, scopes=scopes)

    for event in sorted(before.keys() - after.keys()):
        yield say("EVENT_REMOVED", Severity.BREAKING, f"{event} is no longer published.", event)
    for event in sorted(after.keys() - before.keys()):
        yield say("EVENT_ADDED", Severity.SAFE, f"{event} is new.", event)
    for event in sorted(before.keys() & after.keys()):
        old, new = before[event].get("x-topic"), after[event].get("x-topic")
        if old != new:
            message = f"{event} moves from {old} to {new}."
            yield say("EVENT_TOPIC_CHANGED", Severity.BREAKING, message, event)
        for name, (code, severity, message) in _between(
            fields(before[event]), fields(after[event])
        ):
            yield say(code, severity, message, event, name)


_Change = tuple[str, Severity, str]


def _between(old: dict[str, Field], new: dict[str, Field]) -> Iterator[tuple[str, _Change]]:
    for name in sorted({*old, *new}):
        before, after = old.get(name), new.get(name)
        if before is None and after is not None:
            yield name, _added(name, after)
        elif after is None:
            message = f"The field {name} is gone: consumers read it."
            yield name, ("EVENT_FIELD_REMOVED", Severity.BREAKING, message)
        elif before is not None:
            for change in _changed(name, before, after):
                yield name, change


def _added(name: str, field: Field) -> _Change:
    if field.required and not name.endswith("[]") and "." not in name:
        message = f"The field {name} is new and required: records of before lack it."
        return "EVENT_FIELD_ADDED_REQUIRED", Severity.BREAKING, message
    return "EVENT_FIELD_ADDED", Severity.SAFE, f"The field {name} is new and has a default."


def _changed(name: str, old: Field, new: Field) -> Iterator[_Change]:
    if old.type != new.type:
        message = f"The field {name} was {old.type}, and is {new.type}."
        yield "EVENT_FIELD_TYPE_CHANGED", Severity.BREAKING, message
    if new.nullable and not old.nullable:
        message = f"The field {name} can be null now: consumers do not expect it."
        yield "EVENT_FIELD_NULLABLE", Severity.BREAKING, message
    if old.nullable and not new.nullable:
        message = f"The field {name} can no longer be null, but is in records of before."
        yield "EVENT_FIELD_NOT_NULLABLE", Severity.BREAKING, message
    if new.required and not old.required:
        message = f"The field {name} is required now: records of before may lack it."
        yield "EVENT_FIELD_REQUIRED", Severity.BREAKING, message
    if old.required and not new.required:
        message = f"The field {name} may be missing now: consumers count on it."
        yield "EVENT_FIELD_OPTIONAL", Severity.DANGEROUS, message
    before, after = old.values or frozenset(), new.values or frozenset()
    if gone := sorted(before - after):
        message = f"The field {name} no longer allows {', '.join(gone)}, found in old records."
        yield "EVENT_VALUE_REMOVED", Severity.BREAKING, message
    if added := sorted(after - before):
        message = f"The field {name} can be {', '.join(added)} now: do consumers know?"
        yield "EVENT_VALUE_ADDED", Severity.DANGEROUS, message


def _references(context: Context) -> Iterator[Finding]:
    """Every column that is filled from an event finds its field there."""
    lines = context.head.texts.get(REFERENCES, "").splitlines()
    for reference in context.head.references:
        subject = f"{reference.subgraph}.{reference.table}"
        line = next(
            (at for at, text in enumerate(lines, 1) if text.strip() == f"table: {reference.table}"),
            1,
        )
        place = Place(REFERENCES, line)
        feeding = [
            event
            for event, schema in sorted(context.head.events.items())
            if schema.get("x-topic") == reference.topic
        ]
        if not feeding:
            yield Finding(
                "REFERENCE_EVENT_MISSING",
                Severity.ERROR,
                f"{subject} is fed by {reference.topic}, where nobody publishes.",
                coordinate=subject,
                detail=reference.topic,
                subgraph=reference.subgraph,
                place=place,
            )
        for event in feeding:
            known = fields(context.head.events[event])
            for column, name in sorted(reference.columns.items()):
                if name not in known:
                    yield Finding(
                        "REFERENCE_FIELD_MISSING",
                        Severity.ERROR,
                        f"{subject}.{column} is filled from {name}, which {event} has not.",
                        coordinate=f"{subject}.{column}",
                        detail=event,
                        subgraph=reference.subgraph,
                        place=place,
                    )


def _place(context: Context, event: str, field: str | None) -> Place:
    path = f"{EVENTS}{event}.json"
    lines = context.head.texts[path].splitlines()
    last = (field or "").replace("[]", "").rpartition(".")[2]
    line = next((at for at, text in enumerate(lines, 1) if last and f'"{last}": {{' in text), 1)
    return Place(path, line)
