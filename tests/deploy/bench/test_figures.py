"""How samples become figures."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from deploy.bench.constancy import Cost
from deploy.bench.meters import Sample, children_of, cpu_seconds, middle, percentile, resident_mib
from deploy.bench.pipeline import latencies_of
from deploy.bench.queries import Figures
from deploy.bench.questions import Question, Target
from shared.ids import new_id

START = datetime(2026, 1, 1, tzinfo=UTC)


def sample(per_second: float, cpu: float, statements: float = 1) -> Sample:
    return Sample(per_second, p50=1, p99=2, cpu={"it": cpu}, statements=statements)


def target(name: str, *, is_part: bool = False) -> Target:
    return Target(name, 1, "/", [], is_part=is_part)


@pytest.mark.parametrize(
    ("share", "wanted"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.001, 1), (0.501, 51)]
)
def test_percentile_is_a_value_that_occurred(share: float, wanted: float) -> None:
    assert percentile(list(range(100, 0, -1)), share) == wanted


def test_middle_of_rounds_is_the_median_of_each_figure() -> None:
    found = middle([sample(10, 5), sample(30, 1), sample(20, 9)])
    assert (found.per_second, found.cpu_total) == (20, 5)


def test_ratio_is_the_median_of_the_rounds_ratios_and_not_of_the_sums() -> None:
    question = Question("q", [target("hand-written"), target("router")])
    figures = Figures(question)
    # The machine was ten times slower in the second round, for both.
    figures.samples["hand-written"] = [sample(1000, 1), sample(100, 1), sample(1000, 1)]
    figures.samples["router"] = [sample(500, 2), sample(50, 2), sample(500, 4)]
    assert figures.ratio(question.targets[1]) == (0.5, 2)


def test_parts_are_added_up_as_they_follow_each_other() -> None:
    parts = [target("a", is_part=True), target("b", is_part=True)]
    figures = Figures(Question("q", [target("hand-written"), *parts, target("router")]))
    figures.samples = {"a": [sample(100, 1, 2)], "b": [sample(100, 3, 1)]}
    found = figures.parts
    assert found is not None
    assert (found.per_second, found.cpu_total, found.statements, found.p50) == (50, 4, 3, 2)


def test_single_part_is_not_added_up() -> None:
    question = Question("q", [target("hand-written"), target("a", is_part=True), target("router")])
    assert Figures(question, samples={"a": [sample(100, 1)]}).parts is None


def test_cost_is_constant_only_when_statements_and_requests_are() -> None:
    cost = Cost(1, 6, {"identity": 2})
    assert Cost(100, 6, {"identity": 2}).is_like(cost)
    assert not Cost(100, 7, {"identity": 2}).is_like(cost)
    assert not Cost(100, 6, {"identity": 3}).is_like(cost)


def test_version_that_a_batch_skipped_counts_as_seen_with_the_next_one() -> None:
    user = new_id()
    sent = [(user, version, START) for version in (2, 3, 4)]
    seen = [
        (user, 3, START + timedelta(milliseconds=10)),
        (user, 4, START + timedelta(milliseconds=30)),
    ]
    assert latencies_of(sent, seen) == [10, 10, 30]


def test_no_latencies_before_every_event_was_seen() -> None:
    first, second = new_id(), new_id()
    seen = [(first, 2, START)]
    assert latencies_of([(first, 2, START), (first, 3, START)], seen) is None
    assert latencies_of([(second, 1, START)], seen) is None


def test_family_of_a_process_is_metered() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert child.pid in children_of(os.getpid())
        alone = cpu_seconds(os.getpid())
        assert cpu_seconds(os.getpid(), family=True) >= alone
        assert resident_mib(os.getpid()) > 1
        child.communicate(b"\n")
