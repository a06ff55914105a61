"""PostgreSQL: settings, durability, restarts, a kill, a taken port."""

import socket
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from deploy.local.errors import LocalServiceError
from deploy.local.postgres import Postgres


@pytest.fixture(scope="module")
def postgres(folder: Path) -> Iterator[Postgres]:
    service = Postgres(folder)
    service.start()
    yield service
    service.stop()


def connect(service: Postgres) -> psycopg.Connection[tuple[object, ...]]:
    env = service.env()
    return psycopg.connect(
        host=env["DB_HOST"], port=int(env["DB_PORT"]), user="postgres", autocommit=True
    )


def one(service: Postgres, sql: str) -> object:
    with connect(service) as connection:
        row = connection.execute(sql.encode()).fetchone()
    assert row is not None
    return row[0]


def test_runs_version_18_in_utc_with_room_for_all_subgraphs(postgres: Postgres) -> None:
    assert str(one(postgres, "show server_version")).startswith("18.")
    assert one(postgres, "show timezone") == "UTC"
    assert one(postgres, "show server_encoding") == "UTF8"
    assert one(postgres, "show max_connections") == "200"
    assert one(postgres, "show shared_preload_libraries") == "pg_stat_statements"
    assert one(postgres, "select lower('ÄÖ')") == "äö"


@pytest.mark.parametrize("name", ["btree_gist", "pg_trgm", "citext", "pg_stat_statements"])
def test_extension_can_be_created(postgres: Postgres, name: str) -> None:
    with connect(postgres) as connection:
        connection.execute(f"create extension if not exists {name}".encode())
        found = connection.execute("select extname from pg_extension where extname = %s", [name])
        assert found.fetchall() == [(name,)]


def test_data_survive_a_restart_and_a_kill(postgres: Postgres) -> None:
    with connect(postgres) as connection:
        connection.execute("create table kept (n int)")
        connection.execute("insert into kept values (1)")
    postgres.restart()
    with connect(postgres) as connection:
        connection.execute("insert into kept values (2)")
    postgres.kill()
    postgres.start()
    assert one(postgres, "select array_agg(n order by n) from kept") == [1, 2]


def test_durability_is_on_unless_turned_off(postgres: Postgres) -> None:
    assert one(postgres, "show fsync") == "on"
    postgres.stop()
    postgres.durable = False
    postgres.start()
    assert one(postgres, "show fsync") == "off"
    assert one(postgres, "show synchronous_commit") == "off"
    postgres.stop()
    postgres.durable = True
    postgres.start()
    assert one(postgres, "show fsync") == "on"


def test_pid_file_of_another_program_does_not_stop_the_start(postgres: Postgres) -> None:
    postgres.stop()
    (postgres.data / "postmaster.pid").write_text("1\n/nowhere\n0\n0\n\n\n\n")
    postgres.start()
    assert one(postgres, "select 1") == 1


def test_taken_port_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        second = Postgres(tmp_path, port=server.getsockname()[1])
        with pytest.raises(LocalServiceError, match=r"wanted by PostgreSQL.*EDTECH_POSTGRES_PORT"):
            second.start()
    assert list(tmp_path.iterdir()) == []
