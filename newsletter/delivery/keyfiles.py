"""The keys letters are signed with: private files in the home, and the DNS records that make them known.

`dkim/SELECTOR.pem` is an RSA key; `dkim/SELECTOR-ed25519.pem` its twin for a second signature (RFC 8463).
"""

import base64
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from newsletter import vault
from newsletter.config import Config
from newsletter.errors import SecretError
from newsletter.rendering.mime import safe_address

FOLDER: Final = "dkim"
TWIN: Final = "-ed25519"
# RFC 8301 3.2: 1024 bits at the least, 2048 should be; every receiver verifies the latter.
RSA_BITS: Final = 2048
LEAST_RSA_BITS: Final = 1024
TXT_OCTETS: Final = 255  # RFC 1035 3.3: one string of a TXT record.

_PADDING: Final = PKCS1v15()
_DIGEST: Final = Prehashed(SHA256())


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One private key, in memory for as long as something signs with it; loading it is what takes time."""

    selector: str
    file: Path
    made_at: datetime
    private: RSAPrivateKey | Ed25519PrivateKey = field(repr=False, compare=False)

    @property
    def algorithm(self) -> Literal["rsa", "ed25519"]:
        return "rsa" if isinstance(self.private, RSAPrivateKey) else "ed25519"

    @property
    def bits(self) -> int:
        return self.private.key_size if isinstance(self.private, RSAPrivateKey) else 256

    def sign(self, digest: bytes) -> bytes:
        """The signature of a SHA-256 digest: RFC 6376 3.3.1, RFC 8463 3. The same digest gives the same octets."""
        if isinstance(self.private, RSAPrivateKey):
            return self.private.sign(digest, _PADDING, _DIGEST)
        return self.private.sign(digest)

    def made(self, signature: bytes, digest: bytes) -> bool:
        """Whether this key made that signature of the digest, as its public half tells."""
        public = self.private.public_key()
        try:
            if isinstance(public, RSAPublicKey):
                public.verify(signature, digest, _PADDING, _DIGEST)
            else:
                public.verify(signature, digest)
        except InvalidSignature:
            return False
        return True

    def record(self) -> str:
        """The text of its DNS record (RFC 6376 3.6.1)."""
        public = self.private.public_key()
        if isinstance(self.private, RSAPrivateKey):
            octets = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        else:
            octets = public.public_bytes(Encoding.Raw, PublicFormat.Raw)  # RFC 8463 4: the bare 32 octets
        return f"v=DKIM1; k={self.algorithm}; p={base64.b64encode(octets).decode()}"


def pair(selector: str, *, twin: bool) -> tuple[str, ...]:
    """The selector and, if both kinds of key sign, its twin: RSA first, which every receiver verifies."""
    return (selector, f"{selector}{TWIN}") if twin else (selector,)


def domains(config: Config) -> list[str]:
    """The domains letters are signed for (d=): the configured one, or else each sender's own."""
    if config.dkim.domain:
        return [config.dkim.domain]
    senders = (safe_address(one.sender_address) for one in config.newsletters.values())
    return list(dict.fromkeys(one.rpartition("@")[2] for one in senders))


def record_name(selector: str, domain: str) -> str:
    """Where receivers look for the key."""
    return f"{selector}._domainkey.{domain}"


def zone_line(name: str, record: str) -> str:
    """The record as a zone file has it, in strings of at most 255 octets."""
    strings = [f'"{record[n : n + TXT_OCTETS]}"' for n in range(0, len(record), TXT_OCTETS)]
    return f"{name}. IN TXT ( {' '.join(strings)} )"


def path(home: Path, selector: str) -> Path:
    return home / FOLDER / f"{selector}.pem"


def selectors(home: Path) -> list[str]:
    """The selectors there are keys for, the oldest first; twins stand for themselves."""
    files = (home / FOLDER).glob("*.pem")
    return [file.stem for file in sorted(files, key=lambda file: (file.stat().st_mtime, file.name))]


def read(home: Path, selector: str) -> Key:
    """The key of a selector. Raises SecretError when it is missing, readable by others, or none that can sign."""
    file = path(home, selector)
    base = selector.removesuffix(TWIN)
    text = vault.private_text(file, f"missing; `worldbrief dkim new {base}` makes it, or copy it from where it signs")
    try:
        private = load_pem_private_key(text.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SecretError(file, "holds no private key in PEM without a password") from error
    if not isinstance(private, Ed25519PrivateKey if selector.endswith(TWIN) else RSAPrivateKey):
        raise SecretError(file, f"holds no {'Ed25519' if selector.endswith(TWIN) else 'RSA'} key")
    if isinstance(private, RSAPrivateKey) and private.key_size < LEAST_RSA_BITS:
        raise SecretError(file, f"holds {private.key_size} bits, which no receiver trusts; {RSA_BITS} are right")
    made_at = datetime.fromtimestamp(file.stat().st_mtime, UTC)
    return Key(selector=selector, file=file, made_at=made_at, private=private)


def create(home: Path, selector: str) -> Key:
    """The key of a selector, made unless there is one; a selector with the twin's ending gets an Ed25519 key.

    Raises SecretError, also when what is there cannot be used.
    """
    file = path(home, selector)
    if not file.exists():
        private = Ed25519PrivateKey.generate() if selector.endswith(TWIN) else rsa.generate_private_key(65537, RSA_BITS)
        try:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            vault.write_once(file, private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        except OSError as error:
            raise SecretError(file, f"cannot be written: {error.strerror}") from error
    return read(home, selector)
