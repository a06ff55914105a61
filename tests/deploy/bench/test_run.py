"""The whole benchmark on a handful of everything."""

import io

import pytest
from rich.console import Console

from deploy.bench import crowd, pipeline, queries, run


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_whole_benchmark_counts_what_it_sent() -> None:
    text = io.StringIO()
    plan = run.Plan(
        size=crowd.Size(students=130, tutors=5, courses=20),
        effort=queries.Effort(rounds=1, seconds=10, most=16, warm_up=4),
        numbers=pipeline.Numbers(idle=3, rates=(50,), seconds=0.2, backlog=1200),
        pages=3,
        callers=9,
        tutors=30,
        parts=frozenset({run.Only.QUERIES, run.Only.EVENTS}),
    )
    assert run.run(Console(file=text, width=140), Console(quiet=True), plan=plan)
    lines = [line.split() for line in text.getvalue().replace("│", " ").splitlines()]
    assert [line for line in lines if len(line) == 4 and all(map(str.isdigit, line))] == [
        ["1", "6", "2", "1"],
        ["20", "6", "2", "1"],
        ["100", "6", "2", "1"],
    ]
    assert [line[:2] for line in lines if line[:1] == ["Relay"]] == [["Relay", "1200"]]
    assert [line[:2] for line in lines if line[:1] == ["Consumer"]] == [["Consumer", "1200"]]
