"""Partners' servers, which are told of events.

A partner names the address, so it may lead anywhere: to this machine, to the network behind it, to
a cloud's metadata. Each address that a name resolves to is checked, and the connection goes to a
checked address, so that a name cannot lead elsewhere a moment later. Redirects are not followed,
and of an answer only the beginning is read.
"""

import asyncio
import ipaddress
import re
import socket
import ssl
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import httpcore
import httpx

from subgraphs.identity.config import Settings

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

MOST_READ = 4096
MOST_KEPT = 500
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# Only these are given to hosts on the internet.
_UNICAST6 = ipaddress.ip_network("2000::/3")
# What looks public to some versions of Python: a cloud's own services, and protocols' addresses.
_SPECIAL = tuple(map(ipaddress.ip_network, ("168.63.129.16/32", "192.0.0.0/24", "192.88.99.0/24")))
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


class AddressNotAllowed(Exception):
    """The name leads to an address that partners may not have called."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one try; without a status there was no answer, and `error` says why."""

    status: int | None
    error: str | None
    milliseconds: int
    response: str | None = None

    @property
    def is_delivered(self) -> bool:
        """Whether the partner has taken the message."""
        return self.status is not None and 200 <= self.status < 300


@dataclass
class _Heard:
    """What has arrived of an answer."""

    status: int | None = None
    beginning: bytes = b""


def is_public(address: IpAddress) -> bool:
    """Whether an address belongs to the internet, also where it is wrapped in another one."""
    if isinstance(address, ipaddress.IPv6Address):
        wrapped = address.ipv4_mapped or address.sixtofour
        if address.teredo is not None:
            wrapped = address.teredo[1]
        if wrapped is None and address in _NAT64:
            wrapped = ipaddress.IPv4Address(address.packed[-4:])
        if wrapped is not None:
            return is_public(wrapped)
        if address not in _UNICAST6:
            return False
    special = address.is_multicast or address.is_reserved or address.is_unspecified
    return address.is_global and not special and not any(address in net for net in _SPECIAL)


class _CheckedNetwork(httpcore.AsyncNetworkBackend):
    """Connects to nothing but public addresses and the networks that are allowed."""

    def __init__(self, allowed: Sequence[IpNetwork]) -> None:
        self._allowed = allowed
        self._inner = httpcore.AnyIOBackend()

    def permits(self, address: IpAddress) -> bool:
        """Whether a connection to the address may be made."""
        return is_public(address) or any(address in network for network in self._allowed)

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Resolve, check, connect. Raises AddressNotAllowed, or what httpcore raises."""
        try:
            async with asyncio.timeout(timeout):
                found = await asyncio.get_running_loop().getaddrinfo(
                    host, port, type=socket.SOCK_STREAM
                )
        except TimeoutError:
            raise httpcore.ConnectTimeout("name resolution") from None
        except (OSError, UnicodeError):
            raise httpcore.ConnectError("the name is not known") from None
        # An interface's name may follow the address after a percent sign.
        addresses = list(dict.fromkeys(str(place[0]).partition("%")[0] for *_, place in found))
        # All of them: a name with one public and one private address is a trick, not a mistake.
        if not all(self.permits(ipaddress.ip_address(each)) for each in addresses):
            raise AddressNotAllowed
        failure: Exception = httpcore.ConnectError("the name has no address")
        for address in addresses:
            try:
                return await self._inner.connect_tcp(
                    address,
                    port,
                    timeout=timeout,
                    local_address=local_address,
                    socket_options=socket_options,
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure


class WebhookSender:
    """Posts messages to partners' addresses; whatever goes wrong there is an answer, too."""

    def __init__(self, settings: Settings) -> None:
        self._timeout = settings.webhook_timeout_seconds
        self._allows_plain = settings.environment != "production"
        networks = [ipaddress.ip_network(each) for each in settings.webhook_allowed_networks]
        self._network = _CheckedNetwork(networks)
        self._trusted: ssl.SSLContext | None = None

    def checked_url(self, url: str) -> str:
        """The address as it will be called. Raises ValueError that says what is wrong with it."""
        try:
            parsed = httpx.URL(url)
            port = parsed.port
        except (httpx.InvalidURL, UnicodeError, ValueError):
            raise ValueError("is not a URL") from None
        if parsed.scheme != "https" and not (parsed.scheme == "http" and self._allows_plain):
            raise ValueError("must begin with https://")
        if not parsed.host or parsed.userinfo or parsed.fragment:
            raise ValueError("must be a URL with a host, without user and fragment")
        if port is not None and not 0 < port < 65_536:
            raise ValueError("has a port that does not exist")
        try:
            address = ipaddress.ip_address(parsed.host)
        except ValueError:
            return str(parsed)
        if not self._network.permits(address):
            raise ValueError("leads to an address that is not public")
        return str(parsed)

    async def post(self, url: str, *, headers: dict[str, str], body: bytes) -> Answer:
        """Send a message, once."""
        started = time.monotonic()
        status, error, response = await self._outcome(url, headers, body)
        spent = round((time.monotonic() - started) * 1000)
        return Answer(status=status, error=error, milliseconds=spent, response=response)

    async def _outcome(
        self, url: str, headers: dict[str, str], body: bytes
    ) -> tuple[int | None, str | None, str | None]:
        heard = _Heard()
        error: str | None = None
        try:
            # The settings may have changed since the address was stored.
            url = self.checked_url(url)
            async with asyncio.timeout(self._timeout):
                await self._exchange(url, headers, body, heard)
        except ValueError as refused:
            error = f"the URL {refused}"
        except AddressNotAllowed:
            error = "the address is not public"
        except (TimeoutError, httpcore.TimeoutException):
            error = f"no answer within {self._timeout:g} seconds"
        except httpcore.ConnectError as failed:
            untrusted = isinstance(failed.__cause__ or failed.__context__, ssl.SSLError)
            error = "TLS failed" if untrusted else "the connection failed"
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError):
            error = "the connection broke"
        if heard.status is None:
            return None, error, None
        # The status is the answer, whatever became of the body.
        text = _UNPRINTABLE.sub("\ufffd", heard.beginning.decode(errors="replace"))
        error = "redirects are not followed" if 300 <= heard.status < 400 else None
        return heard.status, error, text[:MOST_KEPT] or None

    async def _exchange(
        self, url: str, headers: dict[str, str], body: bytes, heard: _Heard
    ) -> None:
        sent: dict[bytes | str, bytes | str] = {"host": httpx.URL(url).netloc.decode()}
        sent.update(headers)
        limits: dict[str, Any] = dict.fromkeys(("connect", "read", "write", "pool"), self._timeout)
        if self._trusted is None:
            self._trusted = ssl.create_default_context()
        # A connection of its own each time: nothing of one partner's is left for another.
        async with (
            httpcore.AsyncConnectionPool(
                ssl_context=self._trusted,
                max_keepalive_connections=0,
                network_backend=self._network,
            ) as pool,
            pool.stream(
                "POST",
                url,
                headers=sent,
                content=body,
                extensions={"timeout": limits},
            ) as response,
        ):
            heard.status = response.status
            async for chunk in response.aiter_stream():
                heard.beginning += chunk[: MOST_READ - len(heard.beginning)]
                if len(heard.beginning) == MOST_READ:
                    return
