"""The secrets: 32-byte masters in a 0600 file or the environment, and what is derived from them. Nothing is stored.

Beside them, in a file of its own, the key that signs the consent ledger's checkpoints, whose public half is for all.

A key for one purpose is HKDF-SHA256 of a master under that purpose's label (RFC 5869), so no key serves two purposes.
Each line of the file is a master: its number and base64, or base64 alone for number 1. The highest makes what is new;
the others still read what they made: links in old letters, return paths, the marks of addresses.
"""

import base64
import binascii
import os
import re
import secrets
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

import subscribers
from newsletter.errors import SecretError
from newsletter.relays import NAME, ONLY

MASTER_BYTES: Final = 32
MASTER_FILE: Final = "secret.key"
CHECKPOINT_FILE: Final = "checkpoint.key"
MOST_MASTERS: Final = 255
HOLD_FILE: Final = "hold.pub"
RELAY_PASSWORD_FILE: Final = "relay.password"  # noqa: S105 -- a file's name
_PASSWORD_FILE: Final = re.compile(rf"relay(?:\.({NAME.pattern}))?\.password")


@dataclass(frozen=True, kw_only=True)
class Vault:
    """The newest master and the former ones, the checkpoints' key, the relays' passwords and the people's keyring."""

    master: bytes = field(repr=False)
    number: int = 1
    former: Mapping[int, bytes] = field(default_factory=dict, repr=False)
    relay_passwords: Mapping[str, str] = field(default_factory=dict, repr=False)
    checkpoint_pem: bytes = field(default=b"", repr=False)
    hold_pem: bytes = b""
    ring: subscribers.Keyring | None = field(default=None, repr=False)

    @cached_property
    def keys(self) -> subscribers.Keys:
        """The keys of the people's room."""
        label = "subscribers/1"
        former = {number: _derived(one, label) for number, one in self.former.items()}
        return subscribers.Keys(
            self.derive(label), number=self.number, former=former, ring=self.ring, offline=self.hold_pem
        )

    def derive(self, label: str) -> bytes:
        """The 32-byte key for one purpose, such as "returns/1"; made from the newest master."""
        return _derived(self.master, label)

    def derive_all(self, label: str) -> tuple[bytes, ...]:
        """The keys one purpose ever had, the newest first: for reading what was made before a rotation."""
        earlier = (self.former[number] for number in sorted(self.former, reverse=True))
        return (self.derive(label), *(_derived(one, label) for one in earlier))


def _derived(master: bytes, label: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=f"world-brief/{label}".encode()).derive(master)


def create(home: Path) -> Path:
    """Write a new master secret and a new key for checkpoints under `home` where missing; returns the secret's path."""
    create_checkpoint_key(home)
    return write_once(home / MASTER_FILE, base64.b64encode(secrets.token_bytes(MASTER_BYTES)) + b"\n")


def create_checkpoint_key(home: Path) -> Path:
    """Write a new Ed25519 key for checkpoints under `home` unless there is one, and return its path."""
    return write_once(home / CHECKPOINT_FILE, subscribers.new_key(secrets.token_bytes(32)))


def create_hold_key(home: Path, private: Path) -> Path:
    """Write a new key for evidence under a legal hold: its private half where it is taken away from, the public one
    under `home`. Returns the public one's path; raises SecretError rather than write over either.
    """
    public = home / HOLD_FILE
    for path in (public, private):
        if path.exists():
            raise SecretError(path, "is there already; what was sealed to it opens with no other: move it away first")
    secret, shown = subscribers.new_pair(secrets.token_bytes)
    try:
        write_once(private, secret)
        return write_once(public, shown)
    except OSError as error:
        raise SecretError(error.filename or private, f"cannot be written: {error.strerror}") from error


def unlock(home: Path, environ: Mapping[str, str]) -> Vault:
    """Read the secrets. `WORLD_BRIEF_SECRET` (base64) and `WORLD_BRIEF_RELAY_PASSWORD` win over the files.

    A relay with a name has `WORLD_BRIEF_RELAY_PASSWORD_<NAME>`, or the file `relay.<name>.password`.
    Raises SecretError when the master is missing, malformed or short, or a file may be read by others.
    """
    file = home / MASTER_FILE
    text = environ.get("WORLD_BRIEF_SECRET") or private_text(file, f"missing; `worldbrief init` writes {file}")
    masters = _masters(text, "WORLD_BRIEF_SECRET" if environ.get("WORLD_BRIEF_SECRET") else file)
    number = max(masters)
    former = {one: master for one, master in masters.items() if one != number}
    return Vault(
        master=masters[number],
        number=number,
        former=former,
        relay_passwords=_relay_passwords(home, environ),
        checkpoint_pem=_checkpoint_pem(home / CHECKPOINT_FILE),
        hold_pem=_hold_pem(home / HOLD_FILE),
    )


def add_master(home: Path) -> int:
    """Add a new master to the file, in one step that leaves either the old file or the new one; returns its number."""
    file = home / MASTER_FILE
    masters = _masters(private_text(file, f"missing; `worldbrief init` writes {file}"), file)
    number = max(masters) + 1
    if number > MOST_MASTERS:
        raise SecretError(file, f"holds {MOST_MASTERS} masters, more than which cannot be told apart")
    masters[number] = secrets.token_bytes(MASTER_BYTES)
    lines = "".join(f"{one} {base64.b64encode(master).decode()}\n" for one, master in sorted(masters.items()))
    write_over(file, lines)
    return number


def _relay_passwords(home: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """What each relay is logged in to with; a named one never gets the password of another."""
    found: dict[str, str] = {}
    for variable, password in environ.items():
        name = variable.removeprefix("WORLD_BRIEF_RELAY_PASSWORD")
        if password and name != variable:
            found[name.removeprefix("_").replace("_", "-").lower() or ONLY] = password
    for file in home.glob("relay*.password"):
        named = _PASSWORD_FILE.fullmatch(file.name)
        if named and (named[1] or ONLY) not in found:
            found[named[1] or ONLY] = private_text(file, "").strip()
    return found


def _masters(text: str, where: str | Path) -> dict[int, bytes]:
    masters: dict[int, bytes] = {}
    for line in text.strip().splitlines():
        words = line.split()
        number = int(words.pop(0)) if len(words) > 1 and words[0].isdecimal() else 1
        try:
            master = base64.b64decode(" ".join(words), validate=True)
        except (binascii.Error, ValueError) as error:
            raise SecretError(where, "is not base64") from error
        if len(master) < MASTER_BYTES:
            raise SecretError(where, f"holds {len(master)} bytes; {MASTER_BYTES} random ones are needed")
        if number in masters or not 0 < number <= MOST_MASTERS:
            raise SecretError(where, f"holds two masters of number {number}, or one that is not 1 to {MOST_MASTERS}")
        masters[number] = master
    if not masters:
        raise SecretError(where, "is empty")
    return masters


def _checkpoint_pem(file: Path) -> bytes:
    if not file.exists():
        return b""
    pem = private_text(file, "").encode()
    try:
        subscribers.Signer("", pem).verifier  # noqa: B018 -- to say now what would else be said in mid-send
    except subscribers.InvalidCheckpoint as error:
        raise SecretError(file, str(error)) from error
    return pem


def _hold_pem(file: Path) -> bytes:
    if not file.exists():
        return b""
    pem = file.read_bytes()
    try:
        subscribers.require_public(pem)
    except subscribers.UnreadableSeal as error:
        raise SecretError(file, str(error)) from error
    return pem


def write_once(path: Path, content: bytes) -> Path:
    """Write a file that only its owner may read, unless there is one: a secret is never written over."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    return path


def write_over(file: Path, text: str) -> None:
    """Put another text into a file that only its owner may read: at every moment it holds the old one or the new one.

    Raises OSError.
    """
    # Under a name nobody else has: two processes may each have a new text at the same time.
    handle, unfinished = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as written:
            written.write(text)
            written.flush()
            os.fsync(written.fileno())
        Path(unfinished).replace(file)
    except OSError:
        Path(unfinished).unlink(missing_ok=True)
        raise


def private_text(file: Path, missing: str) -> str:
    """What stands in a file that only its owner may read; `missing` says what to do when it is not there.

    Raises SecretError.
    """
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
