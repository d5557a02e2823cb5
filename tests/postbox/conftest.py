"""A certificate for the postbox's TLS."""

from pathlib import Path

import pytest

from tests.delivery import certificates


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A PEM file whose certificate is good for 127.0.0.1 and trusted by nobody."""
    return certificates.make(tmp_path_factory.mktemp("tls"))
