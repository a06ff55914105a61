"""What every task is given."""

from dataclasses import dataclass, field
from datetime import date

from schema.check.facts import Facts
from schema.check.findings import PUBLIC, Finding, Hit, Place
from schema.check.settings import Approvals, LintSettings
from schema.check.snapshot import Snapshot
from schema.check.usage import Usage


@dataclass
class Context:
    """Both registries, the facts about them, and what earlier tasks found."""

    head: Snapshot
    base: Snapshot | None
    facts: Facts
    lint: LintSettings
    approvals: Approvals
    usage: Usage | None
    today: date
    changes: list[Finding] = field(default_factory=list)

    @property
    def composes(self) -> bool:
        """Whether the proposal can be run at all."""
        head = self.facts.answer["head"]
        unread = any(index["error"] for index in head["subgraphs"].values())
        return not unread and not head["errors"]

    @property
    def compares(self) -> bool:
        """Whether there are two schemas to compare."""
        return self.composes and self.facts.base_composes

    def hits(self, finding: Finding) -> list[Hit]:
        """The operations that use what a change touches."""
        wanted = touched(finding)
        seen = {scope for scope in finding.scopes if not scope.startswith("subgraph:")}
        # What only subgraphs and routers see touches no operation; who may ask does.
        if not seen and not finding.code.startswith(_ACCESS):
            return []
        found = []
        for facts in self.facts.answer["documents"]:
            document = self.head.documents[facts["id"]]
            # A change that a client's own schema does not show is none to it.
            if seen and self._scope_of(document.contract) not in seen:
                continue
            for operation in facts["operations"]:
                lines = [operation["uses"][each] for each in wanted if each in operation["uses"]]
                if lines:
                    name = operation["name"] or "anonymous"
                    place = Place(document.path, min(lines))
                    found.append(Hit(document.client, document.version, name, place))
        return sorted(found)

    def _scope_of(self, contract: str) -> str:
        known = contract and (self.base is None or contract in self.base.contracts)
        return f"contract:{contract}" if known else PUBLIC


_ACCESS = ("REQUIRES_SCOPES_", "AUTHENTICATED_", "POLICY_")


def touched(finding: Finding) -> set[str]:
    """The coordinates by which a use of what a change touches is known."""
    coordinate = finding.coordinate or ""
    owner = coordinate.partition(".")[0]
    if finding.code.startswith("ENUM_VALUE_"):
        return {coordinate, owner}
    if finding.code == "INPUT_FIELD_ADDED":
        return {owner}
    if finding.code in ("FIELD_ARGUMENT_ADDED", "FIELD_ARGUMENT_DEFAULT_CHANGED"):
        return {coordinate.partition("(")[0]}
    return {coordinate}
