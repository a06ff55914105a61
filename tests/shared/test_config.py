"""Settings: a missing or malformed variable stops the process with exit 3 and names itself."""

import os
import subprocess
import sys

import pytest

from shared.config import SettingsError, load
from subgraphs.learning.config import Settings

GOOD = {
    "KAFKA_BROKERS": "127.0.0.1:9092",
    "GATEWAY_SECRET": "x" * 32,
    "SEAL_SECRET": "x" * 32,
    "JWKS_URL": "http://127.0.0.1/jwks.json",
    "JWT_ISSUER": "http://127.0.0.1",
    "PUBLIC_URL": "http://127.0.0.1",
    "LEARNING_DB_HOST": "127.0.0.1",
    "LEARNING_DB_PASSWORD": "secret-password",
}


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in list(os.environ):
        if name.startswith(("LEARNING_", "KAFKA_", "EDTECH_ENV", "VALKEY_", "DB_")):
            monkeypatch.delenv(name)
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_defaults_are_those_of_the_design(variables: pytest.MonkeyPatch) -> None:
    settings = load(Settings)
    assert settings.database == "edtech_learning_db"
    assert settings.login == "edtech_learning"
    assert (settings.db_pool_min, settings.db_pool_max, settings.db_pool_idle_seconds) == (
        1,
        20,
        30,
    )
    assert settings.db_connect_timeout_seconds == 2
    assert settings.db_statement_timeout_ms == 2000
    assert settings.waitlist_offer_hours == 24
    assert settings.environment == "production"


@pytest.mark.parametrize("name", list(GOOD))
def test_missing_variable_is_named(variables: pytest.MonkeyPatch, name: str) -> None:
    variables.delenv(name)
    with pytest.raises(SettingsError) as caught:
        load(Settings)
    assert caught.value.lines == [f"{name}: is not set"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LEARNING_DB_PORT", "many"),
        ("LEARNING_DB_PORT", "70000"),
        ("LEARNING_DB_POOL_MAX", "0"),
        ("LEARNING_DB_NAME", "a; drop"),
        ("GATEWAY_SECRET", "short"),
        ("JWKS_URL", "ftp://x"),
        ("VALKEY_URL", "http://x"),
        ("EDTECH_ENV", "staging"),
    ],
)
def test_malformed_variable_is_named_and_its_value_is_not_shown(
    variables: pytest.MonkeyPatch, name: str, value: str
) -> None:
    variables.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load(Settings)
    [line] = caught.value.lines
    assert line.startswith(f"{name}: ")
    assert "secret-password" not in line
    assert value not in line or value == "0"


def test_all_errors_come_at_once(variables: pytest.MonkeyPatch) -> None:
    variables.delenv("KAFKA_BROKERS")
    variables.setenv("LEARNING_DB_PORT", "x")
    with pytest.raises(SettingsError) as caught:
        load(Settings)
    assert [line.split(":")[0] for line in caught.value.lines] == [
        "KAFKA_BROKERS",
        "LEARNING_DB_PORT",
    ]


def test_databases_on_one_server_need_no_prefix_and_a_prefixed_variable_wins(
    variables: pytest.MonkeyPatch,
) -> None:
    for name in ("LEARNING_DB_HOST", "LEARNING_DB_PASSWORD"):
        variables.delenv(name)
    for name, value in {"DB_HOST": "shared", "DB_PORT": "7000", "DB_PASSWORD": "one"}.items():
        variables.setenv(name, value)
    variables.setenv("LEARNING_DB_PORT", "7001")
    settings = load(Settings)
    assert (settings.db_host, settings.db_port) == ("shared", 7001)
    assert settings.db_password.get_secret_value() == "one"


def test_process_ends_with_3_and_one_line_per_variable() -> None:
    environment = {"PATH": os.environ["PATH"]} | GOOD
    del environment["KAFKA_BROKERS"]
    done = subprocess.run(
        [sys.executable, "-m", "deploy", "serve", "learning"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 3
    assert done.stdout == ""
    assert done.stderr.splitlines() == ["configuration KAFKA_BROKERS: is not set"]
