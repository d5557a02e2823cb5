"""A throw-away Postfix on loopback, from the machine's own package: it takes letters and passes all on to one place.

It has its own configuration, queue and ports under a temporary folder. Postfix starts as root alone.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

Manners = Mapping[str, Mapping[str, str]]

_PATH: Final = f"{os.environ.get('PATH', '')}:/usr/sbin"
_QUEUES: Final = ("maildrop", "incoming", "active", "deferred", "hold", "corrupt")
_SETTINGS: Final = """
compatibility_level = 3.6
queue_directory = {folder}/spool
data_directory = {folder}/lib
maillog_file = {folder}/mail.log
maillog_file_prefixes = {folder}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = relay.worldbrief.test
mydestination =
local_recipient_maps =
alias_maps =
alias_database =
fast_flush_domains =
mynetworks = 127.0.0.0/8
relayhost = [127.0.0.1]:{onward}
smtp_dns_support_level = disabled
"""
_SERVICES: Final = """
cleanup  unix        n - n -   0 cleanup
qmgr     unix        n - n 300 1 qmgr
rewrite  unix        - - n -   - trivial-rewrite
bounce   unix        - - n -   0 bounce
defer    unix        - - n -   0 bounce
trace    unix        - - n -   0 bounce
smtp     unix        - - n -   - smtp
error    unix        - - n -   - error
retry    unix        - - n -   - error
showq    unix        n - n -   - showq
anvil    unix        - - n -   1 anvil
scache   unix        - - n -   1 scache
postlog  unix-dgram  n - n -   1 postlogd
"""


def missing_here() -> str:
    """Why Postfix cannot be started on this machine; empty when it can."""
    if _program() is None:
        return "no Postfix on this machine (Debian: postfix)"
    return "" if os.geteuid() == 0 else "Postfix is started by root alone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Postfix:
    """A running instance, with a port for each manner it was asked to listen in."""

    folder: Path
    ports: Mapping[str, int]

    @property
    def log(self) -> str:
        """All it has logged."""
        return (self.folder / "mail.log").read_text("utf-8")

    def queued(self) -> list[Path]:
        """The letters it has not passed on."""
        spool = self.folder / "spool"
        return [file for queue in _QUEUES for file in (spool / queue).rglob("*") if file.is_file()]


@contextmanager
def running(onward: int, manners: Manners) -> Iterator[Postfix]:
    """Postfix that passes all on to a port of this machine. A manner is some settings, for a port of its own."""
    folder = Path(tempfile.mkdtemp(prefix="world-brief-postfix-"))
    one = Postfix(folder=folder, ports=dict(zip(manners, _free_ports(), strict=False)))
    try:
        _configure(one, onward, manners)
        command = [str(_program()), "-c", str(folder / "etc"), "start-fg"]
        silent = subprocess.DEVNULL
        with subprocess.Popen(command, cwd="/", stdout=silent, stderr=silent, start_new_session=True) as started:
            try:
                _await(one, started)
                yield one
            finally:
                _end(folder, started)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _program() -> str | None:
    return shutil.which("postfix", path=_PATH)


def _configure(one: Postfix, onward: int, manners: Manners) -> None:
    # Its daemons run as `postfix`, and a temporary folder is its maker's alone.
    one.folder.chmod(0o755)
    for name in ("etc", "spool", "lib"):
        (one.folder / name).mkdir(mode=0o755)
    shutil.chown(one.folder / "lib", "postfix")
    (one.folder / "etc/main.cf").write_text(_SETTINGS.format(folder=one.folder, onward=onward), "ascii")
    doors = [
        f"127.0.0.1:{one.ports[name]} inet n - n - - smtpd "
        + " ".join(f"-o {{ {setting} = {value} }}" for setting, value in changes.items())
        for name, changes in manners.items()
    ]
    (one.folder / "etc/master.cf").write_text("\n".join(doors) + _SERVICES, "ascii")


def _await(one: Postfix, started: "subprocess.Popen[bytes]") -> None:
    for _ in range(600):
        with suppress(OSError), socket.create_connection(("127.0.0.1", next(iter(one.ports.values()))), timeout=30):
            return
        if started.poll() is not None:
            break
        time.sleep(0.05)
    raise RuntimeError("Postfix did not start")


def _end(folder: Path, started: "subprocess.Popen[bytes]") -> None:
    """Stop the master, which takes its daemons with it; it has left the session of the script that started it."""
    try:
        master = int((folder / "spool/pid/master.pid").read_text("ascii"))
        os.kill(master, signal.SIGTERM)
        started.wait(timeout=30)
    finally:
        started.kill()
    with suppress(ProcessLookupError):
        os.killpg(master, signal.SIGKILL)


def _free_ports() -> Iterator[int]:
    """Ports from below those the kernel hands out, which nobody who asks for any can be given."""
    for port in range(12_000 + os.getpid() % 5_000, 20_000):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                yield port
