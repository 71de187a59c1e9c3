# SPDX-License-Identifier: Apache-2.0
"""The secret that stays outside the database: it seals list and authenticators, signs the heads.

One secret of 32 random bytes gives three keys by HKDF-SHA-256: AES-256-GCM keys for the arms of
the list and for the secrets of authenticators, and an Ed25519 key for anchors. Whoever audits
needs only the public half of the last.
"""

import os
import secrets
from base64 import b32decode, b32encode, urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

ARM_BYTES = 32  # every sealed entry has this length, so that none tells its arm by its length


class KeysError(ValueError):
    """A key file is unreadable, or is not the key of this ledger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """The keys of one ledger; `public` is what an auditor gets, in hexadecimal digits."""

    list_key: bytes
    signing_key: bytes
    code_key: bytes = field(repr=False)

    @property
    def public(self) -> str:
        private = Ed25519PrivateKey.from_private_bytes(self.signing_key)
        return private.public_key().public_bytes_raw().hex()

    def sign(self, message: bytes) -> str:
        return Ed25519PrivateKey.from_private_bytes(self.signing_key).sign(message).hex()

    def seal(self, value: str, *, place: str) -> str:
        """Encrypt a list entry, bound to its `place` so that two entries cannot be swapped."""
        plain = value.encode().ljust(ARM_BYTES)
        if len(plain) != ARM_BYTES:
            raise ValueError(f"an entry has at most {ARM_BYTES} bytes; {value!r} has more")
        nonce = os.urandom(12)
        return (nonce + AESGCM(self.list_key).encrypt(nonce, plain, place.encode())).hex()

    def unseal(self, sealed: str, *, place: str) -> str:
        """Decrypt the entry at `place`. Raises KeysError for another key, place or content."""
        raw = bytes.fromhex(sealed)
        try:
            plain = AESGCM(self.list_key).decrypt(raw[:12], raw[12:], place.encode())
        except InvalidTag:
            raise KeysError("a list entry does not open: other key, or moved or changed.") from None
        return plain.decode().rstrip()

    def seal_code(self, secret: str, *, account: str) -> str:
        """Encrypt the secret of an authenticator (base 32), bound to its account; 64 letters."""
        nonce = os.urandom(12)
        sealed = AESGCM(self.code_key).encrypt(nonce, b32decode(secret), account.encode())
        return urlsafe_b64encode(nonce + sealed).decode()

    def open_code(self, sealed: str, *, account: str) -> str:
        """Decrypt what `seal_code` gave. Raises KeysError for another key, account or content."""
        try:
            raw = urlsafe_b64decode(sealed)
            plain = AESGCM(self.code_key).decrypt(raw[:12], raw[12:], account.encode())
        except (InvalidTag, ValueError):
            raise KeysError("an authenticator does not open: other key, or changed.") from None
        return b32encode(plain).decode()


def keys_of(secret: bytes) -> Keys:
    """Derive the keys from the secret of 32 bytes."""
    if len(secret) != 32:
        raise KeysError(f"a ledger's secret has 32 bytes; this one has {len(secret)}.")

    def derived(purpose: bytes) -> bytes:
        info = b"radioligand ledger 1 " + purpose
        return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(secret)

    return Keys(
        list_key=derived(b"list"), signing_key=derived(b"anchor"), code_key=derived(b"codes")
    )


def is_signed(message: bytes, signature: str, *, public: str) -> bool:
    """Whether `signature` of `message` was made with the key whose public half is given."""
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public))
        key.verify(bytes.fromhex(signature), message)
    except (InvalidSignature, ValueError):
        return False
    return True


def write_secret(path: Path) -> Keys:
    """Write a new secret to `path`, readable by its owner alone. Raises KeysError if it exists."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise KeysError(f"{path} exists; a ledger's secret is never replaced.") from None
    secret = secrets.token_bytes(32)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(secret.hex() + "\n")
    return keys_of(secret)


def read_secret(path: Path) -> Keys:
    """Read the secret that `write_secret` wrote."""
    try:
        secret = bytes.fromhex(path.read_text("ascii").strip())
    except (OSError, ValueError) as error:
        raise KeysError(f"{path} holds no ledger secret: {error}") from None
    return keys_of(secret)
