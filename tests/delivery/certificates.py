"""A certificate for this machine's loopback, made for the test that asks."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from newsletter.postbox import certificate


def make(folder: Path, address: str = "127.0.0.1") -> Path:
    """A PEM file with a fresh key and a certificate for it that signs itself."""
    file = folder / "certificate.pem"
    file.write_bytes(certificate.make(address, datetime.now(UTC), timedelta(hours=1)))
    return file


def served(file: Path) -> ssl.SSLContext:
    """What a server needs to show it."""
    return certificate.served(file.read_bytes())


def fingerprint(file: Path) -> str:
    """What it is pinned by."""
    return certificate.fingerprint(file.read_bytes())
