"""Signing in with an OpenID provider, in three steps that are each used once.

`start` sends the browser to the provider; `finish` turns the provider's answer into a one-time
code for the web app; `log_in` or `link` redeems it. The trip is bound to the browser by a secret
that only the web app that started it holds.
"""

from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from shared import validation
from shared.db import ReadSession, WriteSession, utc_now, violated_constraint
from shared.errors import Conflict, EmailNotVerified, InvalidInput
from shared.outbox import publish
from shared.pages import Order, Page, PageRequest, keyset
from shared.viewer import Viewer
from subgraphs.identity.config import Settings
from subgraphs.identity.models import ProviderLogin, SocialAccount, User
from subgraphs.identity.ports import Identity, OpenIdProviders
from subgraphs.identity.service import accounts, audit, registration
from subgraphs.identity.service.mails import Post
from subgraphs.identity.service.secrets import Vault, digest, new_secret
from subgraphs.identity.service.sessions import Opened, open_session

LIFETIME = timedelta(minutes=10)
CODE_LIFETIME = timedelta(minutes=2)


class ProviderCodeInvalid(Conflict):
    """The one-time code is unknown, too old, or was used."""

    code = "PROVIDER_CODE_INVALID"


class ProviderEmailUnverified(Conflict):
    """The provider does not vouch for the address, so no account can be made or found by it."""

    code = "PROVIDER_EMAIL_UNVERIFIED"


class AlreadyLinked(Conflict):
    """The identity belongs to another account, or the account has one of that provider."""

    code = "ALREADY_LINKED"


class LastWayIn(Conflict):
    """Without this nobody could sign in any more: set a password first."""

    code = "LAST_WAY_IN"


@dataclass(frozen=True, slots=True)
class Start:
    """Where to send the browser, and the secret that the web app keeps meanwhile."""

    authorization_url: str
    login_secret: str


@dataclass(frozen=True, slots=True)
class Returned:
    """A trip whose provider's answer has arrived."""

    login: ProviderLogin
    verifier: str


def known_provider(name: str, settings: Settings) -> str:
    """A configured provider's name. Raises InvalidInput."""
    if name not in settings.providers:
        raise InvalidInput("There is no such provider.", field="provider")
    return name


async def start(
    session: WriteSession,
    *,
    settings: Settings,
    vault: Vault,
    providers: OpenIdProviders,
    provider: str,
    redirect_uri: str,
) -> Start:
    """Begin a trip to the provider's page. Raises InvalidInput or Unavailable."""
    known_provider(provider, settings)
    if redirect_uri not in settings.allowed_redirects:
        raise InvalidInput("redirectUri is not on the list of allowed ones.", field="redirectUri")
    state, secret, nonce, verifier = (new_secret() for _ in range(4))
    url = await providers.authorization_url(provider, state=state, nonce=nonce, verifier=verifier)
    session.add(
        ProviderLogin(
            provider=provider,
            state_hash=digest(state),
            secret_hash=digest(secret),
            nonce_hash=digest(nonce),
            verifier=vault.seal(verifier.encode()),
            redirect_uri=redirect_uri,
            expires_at=utc_now() + LIFETIME,
        )
    )
    return Start(url, secret)


async def take_state(
    session: WriteSession, *, vault: Vault, provider: str, state: str
) -> Returned | None:
    """Use up the state that the provider sent back; None when it is not one of ours."""
    login = await session.scalar(
        sa.update(ProviderLogin)
        .where(
            ProviderLogin.state_hash == digest(state),
            ProviderLogin.provider == provider,
            ProviderLogin.returned_at.is_(None),
            ProviderLogin.expires_at > sa.func.clock_timestamp(),
        )
        .values(returned_at=sa.func.clock_timestamp())
        .returning(ProviderLogin)
    )
    return Returned(login, vault.open(login.verifier).decode()) if login is not None else None


async def finish(
    session: WriteSession, *, vault: Vault, returned: Returned, identity: Identity
) -> str:
    """Keep who the provider says it is, and give the one-time code for it."""
    code = new_secret()
    await session.execute(
        sa.update(ProviderLogin)
        .where(ProviderLogin.id == returned.login.id, ProviderLogin.code_hash.is_(None))
        .values(
            code_hash=digest(code),
            identity=vault.seal(orjson.dumps(asdict(identity))),
            expires_at=utc_now() + CODE_LIFETIME,
        )
    )
    return code


async def _redeem(
    session: WriteSession, *, vault: Vault, provider: str, code: str, login_secret: str
) -> Identity:
    login = await session.scalar(
        sa.update(ProviderLogin)
        .where(
            ProviderLogin.code_hash == digest(code),
            ProviderLogin.secret_hash == digest(login_secret),
            ProviderLogin.provider == provider,
            ProviderLogin.used_at.is_(None),
            ProviderLogin.expires_at > sa.func.clock_timestamp(),
        )
        .values(used_at=sa.func.clock_timestamp())
        .returning(ProviderLogin)
    )
    if login is None or login.identity is None:
        raise ProviderCodeInvalid("This login is not valid any more. Start again.", field="code")
    values: dict[str, Any] = orjson.loads(vault.open(login.identity))
    login.identity = None
    return Identity(**values)


async def log_in(
    session: WriteSession,
    *,
    viewer: Viewer,
    settings: Settings,
    vault: Vault,
    post: Post,
    provider: str,
    code: str,
    login_secret: str,
    totp_code: str | None,
    recovery_code: str | None,
) -> Opened:
    """Sign in with a provider; the first time, make an account or link one by a proven address.

    Linking by address needs both sides: the provider vouches for it, and the account confirmed it.
    """
    identity = await _redeem(
        session, vault=vault, provider=provider, code=code, login_secret=login_secret
    )
    user_id = await _owner_of(session, identity)
    if user_id is None:
        user = await _account_for(session, viewer=viewer, post=post, identity=identity)
    else:
        user = await accounts.lock(session, user_id)
    return await open_session(
        session,
        viewer=viewer,
        settings=settings,
        vault=vault,
        user=user,
        method=provider,
        totp_code=totp_code,
        recovery_code=recovery_code,
    )


async def _owner_of(session: WriteSession, identity: Identity) -> UUID | None:
    owner: UUID | None = await session.scalar(
        sa.select(SocialAccount.user_id).where(
            SocialAccount.provider == identity.provider, SocialAccount.subject == identity.subject
        )
    )
    return owner


async def _account_for(
    session: WriteSession, *, viewer: Viewer, post: Post, identity: Identity
) -> User:
    if identity.email is None or not identity.is_email_verified:
        raise ProviderEmailUnverified(
            f"{identity.provider} does not confirm your e-mail address. Register with a password."
        )
    person = registration.Newcomer(
        email=validation.email(identity.email),
        first_name=_name(identity.first_name) or identity.email.split("@")[0][:100],
        last_name=_name(identity.last_name),
        is_email_verified=True,
    )
    created = await registration.create(
        session, person, token=new_secret(), link_lifetime=post.lifetime("verify_email")
    )
    if created is not None:
        user = await accounts.lock(session, created)
        publish(session, registration.created_event(created, person))
        audit.record(
            session, "user.registered", viewer=viewer, subject_id=user.id, actor_id=user.id
        )
    else:
        owner = await accounts.by_email(session, person.email)
        if owner is None:
            raise ProviderCodeInvalid("This account is just being removed. Try again.")
        user = await accounts.lock(session, owner.id)
        # A first login at the same moment may have linked it before the lock was free.
        if await _owner_of(session, identity) == user.id:
            return user
        if not user.is_email_verified:
            raise EmailNotVerified(
                "An account has this address but never confirmed it. Reset its password first."
            )
    await _attach(session, viewer=viewer, user=user, identity=identity)
    return user


def _name(value: str) -> str:
    return registration.NOT_IN_NAMES.sub("", value).strip()[:100]


async def link(
    session: WriteSession,
    *,
    viewer: Viewer,
    vault: Vault,
    provider: str,
    code: str,
    login_secret: str,
) -> User:
    """Add a provider to the viewer's account. Raises AlreadyLinked."""
    identity = await _redeem(
        session, vault=vault, provider=provider, code=code, login_secret=login_secret
    )
    user = await accounts.lock(session, viewer.require_user())
    await _attach(session, viewer=viewer, user=user, identity=identity)
    return user


async def _attach(session: WriteSession, *, viewer: Viewer, user: User, identity: Identity) -> None:
    session.add(
        SocialAccount(
            user_id=user.id,
            provider=identity.provider,
            subject=identity.subject,
            email=identity.email,
        )
    )
    try:
        await session.flush()
    except IntegrityError as error:
        if violated_constraint(error) is None:
            raise
        raise AlreadyLinked(
            f"This {identity.provider} identity, or another one of it, is linked already."
        ) from error
    audit.record(
        session,
        "provider.linked",
        viewer=viewer,
        subject_id=user.id,
        actor_id=user.id,
        provider=identity.provider,
    )


async def unlink(session: WriteSession, *, viewer: Viewer, provider: str) -> User:
    """Remove a provider from the viewer's account. Raises LastWayIn."""
    user = await accounts.lock(session, viewer.require_user())
    linked = list(
        await session.scalars(sa.select(SocialAccount).where(SocialAccount.user_id == user.id))
    )
    going = next((account for account in linked if account.provider == provider), None)
    if going is None:
        return user
    if user.password_hash is None and len(linked) == 1:
        raise LastWayIn("Set a password first; without it you could not sign in any more.")
    await session.delete(going)
    audit.record(session, "provider.unlinked", viewer=viewer, subject_id=user.id, provider=provider)
    return user


async def list_own(
    session: ReadSession, *, viewer: Viewer, page: PageRequest
) -> Page[SocialAccount]:
    """The identities that sign the viewer in, newest first."""
    statement = sa.select(SocialAccount).where(SocialAccount.user_id == viewer.require_user())
    return await keyset(session, statement, Order.by(SocialAccount.id.desc()), page)
