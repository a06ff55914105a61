"""Secrets: random ones that are kept as hashes, and encryption of what must be read again."""

import hashlib
import secrets

from cryptography.fernet import Fernet, InvalidToken, MultiFernet


def new_secret() -> str:
    """256 random bits as URL-safe text."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> bytes:
    """What is stored of a random secret: SHA-256 is enough, since nobody can guess 256 bits."""
    return hashlib.sha256(secret.encode()).digest()


class Vault:
    """Encrypts with the newest master key and decrypts with any (Fernet)."""

    def __init__(self, keys: str) -> None:
        self._fernet = MultiFernet([Fernet(key.strip()) for key in keys.split(",")])

    def seal(self, plain: bytes) -> bytes:
        """Encrypt and authenticate."""
        return self._fernet.encrypt(plain)

    def open(self, sealed: bytes) -> bytes:
        """Decrypt. Raises RuntimeError when no master key fits: the setting lost a key."""
        try:
            return self._fernet.decrypt(sealed)
        except InvalidToken:
            raise RuntimeError("IDENTITY_MASTER_KEY lacks the key of a stored secret.") from None
