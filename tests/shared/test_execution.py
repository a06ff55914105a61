"""How a subgraph executes: compiled from the second time on, sampled, or not compiled at all."""

from dataclasses import asdict, replace

import pytest

from shared.app import create_admin_app
from tests.shared.test_admin import changed, get
from tests.support.graph import GraphClient

QUERY = "query($n: Int!) { courses(first: $n) { nodes { id title } pageInfo { hasNextPage } } }"
ANSWER = {"courses": {"nodes": [], "pageInfo": {"hasNextPage": False}}}


@pytest.fixture
async def asked(learning: GraphClient, request: pytest.FixtureRequest) -> dict[str, int]:
    """How three equal operations were executed under the settings of the test."""
    engine = learning.subgraph.schema.engine
    before = asdict(engine.counts)
    async with changed(learning.runtime, **request.param) as runtime:
        client = GraphClient(learning.subgraph, runtime)
        # A text of its own: what others have asked is compiled already.
        for n in range(3):
            assert (await client.ask(f"{QUERY} # {request.node.name}", n=n)).data == ANSWER
    learning.subgraph.schema.configure(learning.runtime.settings)
    return {how: count - before[how] for how, count in asdict(engine.counts).items()}


@pytest.mark.parametrize("asked", [{"graphql_compiled": True}], indirect=True)
async def test_operation_that_comes_again_is_compiled(asked: dict[str, int]) -> None:
    assert asked == {"interpreted": 1, "compiled": 2, "sampled": 0, "different": 0}


@pytest.mark.parametrize("asked", [{"graphql_compiled": False}], indirect=True)
async def test_off_switch_leaves_all_to_graphql_core(asked: dict[str, int]) -> None:
    assert asked == {"interpreted": 3, "compiled": 0, "sampled": 0, "different": 0}


@pytest.mark.parametrize(
    "asked", [{"graphql_compiled": True, "graphql_sample_every": 1}], indirect=True
)
async def test_samples_are_answered_by_both_and_do_not_differ(asked: dict[str, int]) -> None:
    assert asked == {"interpreted": 1, "compiled": 2, "sampled": 2, "different": 0}


async def test_metrics_say_how_operations_were_executed(learning: GraphClient) -> None:
    for _ in range(2):
        await learning.ask(QUERY, n=1)
    counts = learning.subgraph.schema.engine.counts
    app = create_admin_app([(replace(learning.subgraph), learning.runtime)])
    metrics = (await get(app, "/metrics")).text
    assert f'edtech_operations{{how="compiled",subgraph="learning"}} {counts.compiled}.0' in metrics
    assert 'edtech_operations{how="different",subgraph="learning"} 0.0' in metrics
