"""The executor's benchmark compares like with like."""

import json

import pytest

from deploy.bench.executor import alone, run
from deploy.bench.executor.cases import CASES, Case
from deploy.bench.executor.graph import context
from deploy.bench.executor.server import compiled_schema, plain_schema


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_compiled_and_plain_answer_the_same(case: Case) -> None:
    compiled = compiled_schema()
    found = [
        await schema.execute(case.query, json.loads(json.dumps(case.variables)), context())
        # The second time it is compiled.
        for schema in (compiled, compiled, plain_schema())
    ]
    assert compiled.engine.counts.compiled == 1
    assert [result.errors for result in found] == [None] * 3
    assert json.dumps(found[1].data) == json.dumps(found[2].data)
    assert len(str(found[1].data)) > case.entities * 50


def test_graphql_js_runs_every_case() -> None:
    times = alone.node_times([1] * len(CASES))
    assert len(times) == len(CASES)
    assert all(micros > 0 for [micros] in times)


def test_ratio_is_the_median_of_the_rounds_ratios() -> None:
    figures = {
        alone.COMPILED: [[1.0, 2.0, 4.0]],
        alone.PLAIN: [[10.0, 30.0, 80.0]],
        alone.NODE: [[2.0, 2.0, 2.0]],
    }
    assert run.ratios(figures, 0) == ["15.00", "1.00"]
