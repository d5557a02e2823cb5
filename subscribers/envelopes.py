"""What is sealed for somebody outside the house: with a public key that lies here, to a private one that does not.

HPKE (RFC 9180) with X25519, HKDF-SHA256 and AES-256-GCM, each time under a key of its own. Pure, but for the chance
that the cipher draws itself.
"""

from collections.abc import Callable
from typing import Final

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from subscribers.errors import UnreadableSeal

KEY_BYTES: Final = 32
_SUITE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_INFO: Final = b"world-brief/held/1"


def new_pair(chance: Callable[[int], bytes]) -> tuple[bytes, bytes]:
    """A private key and its public half, each as a PEM."""
    private = X25519PrivateKey.from_private_bytes(chance(KEY_BYTES))
    return (
        private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    )


def seal(public_pem: bytes, plaintext: bytes) -> bytes:
    """Encrypt to whoever holds the private half. Raises UnreadableSeal when that is no public key."""
    return _SUITE.encrypt(plaintext, _public(public_pem), info=_INFO)


def open_sealed(private_pem: bytes, sealed: bytes) -> bytes:
    """What `seal` was given. Raises UnreadableSeal when it was altered, or sealed to another key."""
    try:
        private = load_pem_private_key(private_pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UnreadableSeal("that is no private key that `worldbrief keys hold` wrote") from error
    if not isinstance(private, X25519PrivateKey):
        raise UnreadableSeal("that is no private key that `worldbrief keys hold` wrote")
    try:
        return _SUITE.decrypt(sealed, private, info=_INFO)
    except (InvalidTag, ValueError) as error:
        raise UnreadableSeal("the evidence was altered, or sealed to another key") from error


def require_public(public_pem: bytes) -> None:
    """Raise UnreadableSeal unless something can be sealed to this key."""
    _public(public_pem)


def _public(pem: bytes) -> X25519PublicKey:
    try:
        found = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UnreadableSeal("that is no public key to seal evidence to") from error
    if not isinstance(found, X25519PublicKey):
        raise UnreadableSeal("the public key is not X25519")
    return found
