"""Sealed tokens open for the purpose, the time and the secrets that they were made with."""

import base64

import pytest
from pydantic import BaseModel

from shared.seal import BadSeal, SealExpired, seal, unseal

OLD, NEW = b"o" * 32, b"n" * 32


class Promise(BaseModel):
    price: int
    note: str | None = None


def test_sealed_content_opens_with_any_known_secret() -> None:
    token = seal([OLD], "lesson", Promise(price=1999), seconds=60)
    assert unseal([NEW, OLD], "lesson", token, Promise) == Promise(price=1999)
    assert seal([NEW, OLD], "lesson", Promise(price=1), seconds=60) != token
    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")


@pytest.mark.parametrize("purpose", ["course", "", "lesson "])
def test_token_of_another_purpose_does_not_open(purpose: str) -> None:
    token = seal([NEW], purpose, Promise(price=1), seconds=60)
    with pytest.raises(BadSeal):
        unseal([NEW], "lesson", token, Promise)


def test_token_of_another_secret_does_not_open() -> None:
    with pytest.raises(BadSeal):
        unseal([NEW], "lesson", seal([OLD], "lesson", Promise(price=1), seconds=60), Promise)


def test_every_changed_character_breaks_the_seal() -> None:
    token = seal([NEW], "lesson", Promise(price=1), seconds=60)
    for place, character in enumerate(token):
        other = "A" if character != "A" else "B"
        # The last character of each part has bits that encode nothing; the MAC covers the text.
        changed = f"{token[:place]}{other}{token[place + 1 :]}"
        with pytest.raises(BadSeal):
            unseal([NEW], "lesson", changed, Promise)


@pytest.mark.parametrize("token", ["", ".", "a.b", "ü.ü", "\ud800.\ud800", "x" * 10_000])
def test_what_is_no_token_does_not_open(token: str) -> None:
    with pytest.raises(BadSeal):
        unseal([NEW], "lesson", token, Promise)


def test_sealed_content_of_another_shape_does_not_open() -> None:
    class Other(BaseModel):
        word: str

    token = seal([NEW], "lesson", Other(word="x"), seconds=60)
    with pytest.raises(BadSeal):
        unseal([NEW], "lesson", token, Promise)


def test_token_ends_to_the_second(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000_000.0
    monkeypatch.setattr("shared.seal.time.time", lambda: now)
    token = seal([NEW], "lesson", Promise(price=1), seconds=600)
    now += 599.9
    assert unseal([NEW], "lesson", token, Promise).price == 1
    now += 0.1
    with pytest.raises(SealExpired):
        unseal([NEW], "lesson", token, Promise)


def test_content_is_no_secret() -> None:
    token = seal([NEW], "lesson", Promise(price=1999), seconds=60)
    body = token.split(".")[0]
    assert b"1999" in base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
