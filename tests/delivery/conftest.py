"""What the tests of delivery share: a postbox, a certificate, and asyncio as the loop of asynchronous tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from newsletter.postbox import Postbox, behave, running
from tests.delivery import certificates


@pytest.fixture
def anyio_backend() -> str:
    """Asynchronous tests run on asyncio, as the house does."""
    return "asyncio"


@pytest.fixture
def postbox(request: pytest.FixtureRequest) -> Iterator[Postbox]:
    """A postbox in a thread of its own; a test gives it a script by indirect parametrisation."""
    with running(Postbox(script=getattr(request, "param", behave))) as one:
        yield one


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A PEM file whose certificate is good for 127.0.0.1 and trusted by nobody."""
    return certificates.make(tmp_path_factory.mktemp("tls"))
