"""The router's secrets: one or, while they rotate, two; never one that anybody could guess."""

import pytest

from shared.config import SettingsError, load
from subgraphs.learning.config import Settings

OLD, NEW = "o" * 32, "n" * 32


@pytest.mark.parametrize(
    ("value", "secrets"),
    [(OLD, [OLD]), (f"{NEW},{OLD}", [NEW, OLD]), (f"{NEW}, {OLD}", [NEW, OLD])],
)
def test_one_or_two_secrets(
    environment: None, monkeypatch: pytest.MonkeyPatch, value: str, secrets: list[str]
) -> None:
    monkeypatch.setenv("GATEWAY_SECRET", value)
    assert load(Settings).gateway_secrets == [secret.encode() for secret in secrets]


@pytest.mark.parametrize(
    "value", ["x" * 31, f"{NEW},", f",{NEW}", f"{NEW},short", f"{NEW},{' ' * 32}"]
)
def test_short_or_empty_secret_stops_the_process(
    environment: None, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("GATEWAY_SECRET", value)
    with pytest.raises(SettingsError) as caught:
        load(Settings)
    [line] = caught.value.lines
    assert line.startswith("GATEWAY_SECRET: ")
    assert line.endswith("must be one or more secrets of at least 32 characters, with commas")
