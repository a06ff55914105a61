"""For HTTP without TLS: left to itself, each client of httpx reads every known authority first."""

import ssl

PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
