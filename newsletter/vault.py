"""The secrets: one 32-byte master in a 0600 file or the environment, and what is derived from it. Nothing is stored.

Beside it, in a file of its own, the key that signs the consent ledger's checkpoints: its public half is for everybody.

A key for one purpose is HKDF-SHA256 of the master under that purpose's label (RFC 5869), so no key serves two purposes.
"""

import base64
import binascii
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

import subscribers
from newsletter.errors import SecretError

MASTER_BYTES: Final = 32
MASTER_FILE: Final = "secret.key"
CHECKPOINT_FILE: Final = "checkpoint.key"
RELAY_PASSWORD_FILE: Final = "relay.password"  # noqa: S105 -- a file's name


@dataclass(frozen=True, kw_only=True)
class Vault:
    """The master secret, the checkpoints' key, the relay's password, the keyring of the people; none is ever shown."""

    master: bytes = field(repr=False)
    relay_password: str = field(default="", repr=False)
    checkpoint_pem: bytes = field(default=b"", repr=False)
    ring: subscribers.Keyring | None = field(default=None, repr=False)

    @cached_property
    def keys(self) -> subscribers.Keys:
        """The keys of the people's room."""
        return subscribers.Keys(self.derive("subscribers/1"), ring=self.ring)

    def derive(self, label: str) -> bytes:
        """The 32-byte key for one purpose, such as "subscribers/1" or "returns/1"."""
        return HKDF(algorithm=SHA256(), length=32, salt=None, info=f"world-brief/{label}".encode()).derive(self.master)


def create(home: Path) -> Path:
    """Write a new master secret and a new key for checkpoints under `home` where missing; returns the secret's path."""
    create_checkpoint_key(home)
    return _once(home / MASTER_FILE, base64.b64encode(secrets.token_bytes(MASTER_BYTES)) + b"\n")


def create_checkpoint_key(home: Path) -> Path:
    """Write a new Ed25519 key for checkpoints under `home` unless there is one, and return its path."""
    return _once(home / CHECKPOINT_FILE, subscribers.new_key(secrets.token_bytes(32)))


def unlock(home: Path, environ: Mapping[str, str]) -> Vault:
    """Read the secrets. `WORLD_BRIEF_SECRET` (base64) and `WORLD_BRIEF_RELAY_PASSWORD` win over the files.

    Raises SecretError when the master is missing, malformed or short, or a file may be read by others.
    """
    file = home / MASTER_FILE
    text = environ.get("WORLD_BRIEF_SECRET") or _private(file, f"missing; `worldbrief init` writes {file}")
    where = "WORLD_BRIEF_SECRET" if environ.get("WORLD_BRIEF_SECRET") else file
    try:
        master = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError) as error:
        raise SecretError(where, "is not base64") from error
    if len(master) < MASTER_BYTES:
        raise SecretError(where, f"holds {len(master)} bytes; {MASTER_BYTES} random ones are needed")
    password = environ.get("WORLD_BRIEF_RELAY_PASSWORD", "")
    if not password and (home / RELAY_PASSWORD_FILE).exists():
        password = _private(home / RELAY_PASSWORD_FILE, "").strip()
    return Vault(master=master, relay_password=password, checkpoint_pem=_checkpoint_pem(home / CHECKPOINT_FILE))


def _checkpoint_pem(file: Path) -> bytes:
    if not file.exists():
        return b""
    pem = _private(file, "").encode()
    try:
        subscribers.Signer("", pem).verifier  # noqa: B018 -- to say now what would else be said in mid-send
    except subscribers.InvalidCheckpoint as error:
        raise SecretError(file, str(error)) from error
    return pem


def _once(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    return path


def _private(file: Path, missing: str) -> str:
    try:
        mode = file.stat().st_mode
        text = file.read_text("utf-8")
    except FileNotFoundError as error:
        raise SecretError(file, missing) from error
    except (OSError, UnicodeDecodeError) as error:
        raise SecretError(file, f"cannot be read: {error}") from error
    if mode & 0o077:
        raise SecretError(file, f"may be read by others (mode {mode & 0o777:o}); run: chmod 600 {file}")
    return text
