"""A throw-away PostgreSQL server on loopback, from the machine's own packages. As root it runs as `nobody`."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg


def binaries() -> Path | None:
    """The folder with `initdb` and `postgres`, or None."""
    asked = os.environ.get("PG_BIN")
    places = [Path(asked)] if asked else sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    if found := shutil.which("initdb"):
        places.append(Path(found).parent)
    return next((place for place in places if (place / "initdb").exists()), None)


class Cluster:
    """One server in a temporary folder; `create` makes databases on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        nobody = pwd.getpwnam("nobody")
        self.identity: dict[str, object] = {}
        if os.geteuid() == 0:
            self.identity = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}

    def url(self, name: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{name}"

    def create(self, name: str, template: str = "template0") -> str:
        """Create a database, as a copy of `template`, and return its URL."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.url(name)

    def drop(self, name: str) -> None:
        """Drop a database, whoever is still connected to it; a thousand of them would fill the disk."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    @contextmanager
    def running(self) -> Iterator["Cluster"]:
        data = Path(tempfile.mkdtemp(prefix="world-brief-pg-"))
        if self.identity:
            shutil.chown(data, "nobody")
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": "/", **self.identity}
        options = ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off"]
        options += ["-c", "synchronous_commit=off", "-c", "full_page_writes=off", "-c", "max_connections=100"]
        initdb = [
            self.folder / "initdb",
            "-D",
            data,
            "-U",
            "postgres",
            "-A",
            "trust",
            "--no-locale",
            "-E",
            "UTF8",
            "--no-sync",
        ]
        subprocess.run(initdb, check=True, **quiet)  # type: ignore[call-overload]
        server = subprocess.Popen([self.folder / "postgres", "-D", data, "-p", str(self.port), *options], **quiet)  # type: ignore[call-overload]
        try:
            self._await_ready(server)
            yield self
        finally:
            server.send_signal(2)
            server.wait(timeout=30)
            shutil.rmtree(data, ignore_errors=True)

    def _await_ready(self, server: "subprocess.Popen[bytes]") -> None:
        for _ in range(300):
            if server.poll() is not None:
                raise RuntimeError("the PostgreSQL server did not start")
            try:
                psycopg.connect(self.url("postgres")).close()
            except psycopg.OperationalError:
                time.sleep(0.05)
            else:
                return
        raise RuntimeError("the PostgreSQL server did not answer")
