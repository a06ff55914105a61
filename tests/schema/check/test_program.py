"""The program that supplies the facts: one process for many checks says what one for each says."""

from typing import Any

import pytest

from schema.check import program, snapshot, sources
from schema.check.findings import InputError, TimedOut
from schema.check.program import Program
from tests.schema.check.registry import CATALOG, Registry

# As each process of its own is asked; the fixture for this package puts the shared one here.
alone = program.run


@pytest.fixture
def request_(registry: Registry) -> dict[str, Any]:
    """A change that has to be composed, compared, validated and planned."""
    before = snapshot.read(sources.from_folder(registry.root))
    registry.edit(CATALOG, ("  price: Int!\n", "  price: Int\n"))
    after = snapshot.read(sources.from_folder(registry.root))
    documents = [
        {"id": path, "text": each.text, "contract": each.contract}
        for path, each in after.documents.items()
    ]
    return {"base": before.request(), "head": after.request(), "documents": documents}


def facts(answer: Any) -> Any:
    """What does not depend on the clock."""
    return {name: value for name, value in answer.items() if name != "timings"}


def test_answer_does_not_depend_on_what_was_asked_before(
    request_: dict[str, Any], shared_program: Program
) -> None:
    turned = request_ | {"base": request_["head"], "head": request_["base"]}
    without = request_ | {"base": None}
    same = request_ | {"base": request_["head"]}
    expected = facts(alone(request_, timeout=60))
    assert expected["changes"]["public"]
    assert expected["documents"][0]["operations"]
    answers = [
        facts(shared_program.ask(each, timeout=60))
        for each in (request_, turned, without, same, request_, request_)
    ]
    assert [answers[n] == expected for n in (0, 4, 5)] == [True] * 3
    assert (answers[1]["base"], answers[1]["head"]) == (expected["head"], expected["base"])
    assert answers[1]["changes"] != expected["changes"]
    assert (answers[2]["base"], answers[2]["head"]) == (None, expected["head"])
    assert set(map(str, answers[3]["changes"].values())) == {"[]"}


def test_failure_is_one_line_and_the_next_request_is_answered(request_: dict[str, Any]) -> None:
    with Program() as own:
        with pytest.raises(
            InputError, match=r"^gateway/check\.mjs failed: TypeError: .+"
        ) as refusal:
            own.ask({}, timeout=60)
        assert "\n" not in str(refusal.value)
        with pytest.raises(TimedOut):
            own.ask(request_, timeout=0.05)
        assert own.ask(request_, timeout=60)["head"]["errors"] == []
