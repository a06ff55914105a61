"""Partners' tokens: for which audiences they are, and what their programs may read for others."""

from typing import Any

import pytest

from shared.auth import Authenticator, Jwks
from shared.config import SettingsError, load
from shared.errors import Forbidden, Unauthenticated
from shared.ids import new_id
from shared.viewer import Viewer, ViewerKind
from subgraphs.learning.config import Settings
from tests.support import tokens
from tests.support.services import ISSUER
from tests.support.tokens import JwksServer

CLIENT = str(new_id())
ACCOUNT = new_id()


async def viewer(jwks: JwksServer, **claims: Any) -> Viewer:
    checked = Authenticator(Jwks(jwks.url), issuer=ISSUER, audiences=["graph", "partner-a"])
    return await checked.viewer(f"Bearer {tokens.token(new_id(), **claims)}", ip=None)


async def test_each_audience_of_the_list_is_accepted_and_no_other(jwks: JwksServer) -> None:
    assert (await viewer(jwks, aud="graph")).kind is ViewerKind.USER
    partner = await viewer(jwks, aud="partner-a", client_id=CLIENT, scope="a:b c:d")
    assert (partner.kind, partner.client_id) == (ViewerKind.PARTNER, CLIENT)
    assert (partner.user_id, partner.acts_for) == (None, None)
    assert partner.scopes == {"a:b", "c:d"}
    for audience in ("partner-b", "graph,partner-a", ""):
        with pytest.raises(Unauthenticated):
            await viewer(jwks, aud=audience, client_id=CLIENT)


async def test_account_of_a_program_is_part_of_its_token(jwks: JwksServer) -> None:
    claims = {"aud": "partner-a", "client_id": CLIENT}
    assert (await viewer(jwks, **claims, acts_for=str(ACCOUNT))).acts_for == ACCOUNT
    with pytest.raises(Unauthenticated):
        await viewer(jwks, **claims, acts_for="nobody")
    # A person's token gains nothing by the claim.
    assert (await viewer(jwks, aud="graph", acts_for=str(ACCOUNT))).acts_for is None


def test_program_reads_for_its_account_with_the_scope_alone() -> None:
    def program(*scopes: str, acts_for: Any = ACCOUNT) -> Viewer:
        return Viewer(
            kind=ViewerKind.PARTNER, client_id=CLIENT, scopes=frozenset(scopes), acts_for=acts_for
        )

    assert program("x:read").may_read_for(ACCOUNT, "x:read")
    assert not program("x:read").may_read_for(new_id(), "x:read")
    assert not program("x:read", acts_for=None).may_read_for(ACCOUNT, "x:read")
    with pytest.raises(Forbidden, match=r"scope x:read\."):
        program("y:read").may_read_for(ACCOUNT, "x:read")
    # It is not that person: what is private stays so.
    assert not program("x:read").may_see_private(ACCOUNT)

    person = Viewer(kind=ViewerKind.USER, user_id=ACCOUNT)
    assert person.may_read_for(ACCOUNT, "x:read")
    assert not person.may_read_for(new_id(), "x:read")
    assert not Viewer().may_read_for(ACCOUNT, "x:read")
    assert Viewer.system().may_read_for(ACCOUNT, "x:read")


@pytest.mark.parametrize("value", [",", "graph,", "graph,,partner-a"])
def test_empty_audience_is_a_bad_setting(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("JWT_AUDIENCE", value)
    with pytest.raises(SettingsError) as refused:
        load(Settings)
    assert refused.value.lines == [
        "JWT_AUDIENCE: value error, must be one or more audiences, with commas"
    ]
