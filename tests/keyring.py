"""One keyring for all tests of a process and for the programs they start, in a file of its own."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from newsletter.database import Database
from subscribers import Keyring

_NAME = "TESTS_KEYRING"


def _file() -> str:
    if _NAME not in os.environ:
        folder = tempfile.mkdtemp(prefix="world-brief-keyring-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        os.environ[_NAME] = str(Path(folder) / "keyring.db")
    return os.environ[_NAME]


RING_FILE = _file()
STORE = Database(f"sqlite:///{RING_FILE}")
RING = Keyring(STORE.transaction, STORE.snapshot)
RING.prepare()
