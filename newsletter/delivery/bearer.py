"""Where the bearer token of a relay's OAuth login comes from (RFC 6749, RFC 7628), kept until shortly before its end.

From a command, from a file that somebody keeps fresh, or granted by a token endpoint over https: for the refresh token
in the file, or without a file for the client's own secret. A provider that hands out a new refresh token with every
grant finds it written back to the file.
"""

import asyncio
import http.client
import json
import re
import ssl
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlencode, urlsplit

from newsletter import vault
from newsletter.delivery.replies import without_addresses
from newsletter.errors import SecretError
from newsletter.relays import RelaySettings

_PATIENCE_SECONDS: Final = 30.0
_MOST_OCTETS: Final = 64 * 1_024
_MOST_WORDS: Final = 200
# A token is asked for again so long before its end; one that names no end is believed for so long.
_MARGIN_SECONDS: Final = 60.0
_UNTOLD_SECONDS: Final = 300.0
_TOKEN: Final = re.compile(r"[\x21-\x7e]+")
# What may be answered to us today and not tomorrow (RFC 9110 15.5): a timeout, too many requests.
_PASSING: Final = frozenset({408, 425, 429})


class NoToken(Exception):
    """There is no token now. `permanent`: as configured there will be none."""

    def __init__(self, reason: str, *, permanent: bool = False) -> None:
        self.permanent = permanent
        super().__init__(reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Token:
    text: str = field(repr=False)
    seconds: float = _UNTOLD_SECONDS


class Bearer:
    """The token of one relay, shared by its connections."""

    def __init__(self, settings: RelaySettings, secret: str) -> None:
        self._settings, self._secret = settings, secret
        self._text, self._until = "", 0.0
        self._asking = asyncio.Lock()

    @property
    def known(self) -> str:
        """The token we have; empty when it has to be asked for."""
        return self._text if time.monotonic() < self._until else ""

    async def token(self) -> str:
        """A token that should be good. Raises NoToken."""
        async with self._asking:
            if not self.known:
                asked_at = time.monotonic()
                found = await asyncio.to_thread(_ask, self._settings, self._secret)
                self._text, self._until = found.text, asked_at + found.seconds
            return self._text

    def forget(self, token: str) -> None:
        """The relay did not believe this one; a newer one stays."""
        if token == self._text:
            self._until = 0.0


def _ask(settings: RelaySettings, secret: str) -> _Token:
    if settings.token_command:
        found = _Token(text=_said_by(settings.token_command))
    elif settings.token_url:
        found = _granted(settings, secret)
    else:
        found = _Token(text=_kept_in(Path(settings.token_file)))
    if not _TOKEN.fullmatch(found.text):
        raise NoToken("what should be a token is none", permanent=True)
    return found


def _said_by(command: tuple[str, ...]) -> str:
    try:
        ran = subprocess.run(  # noqa: S603 -- the operator's own command
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise NoToken(f"{command[0]} gave no token within {_PATIENCE_SECONDS:.0f} seconds") from error
    except OSError as error:
        raise NoToken(f"{command[0]}: {error.strerror or error}", permanent=True) from error
    if ran.returncode:
        said = without_addresses(ran.stderr.decode("utf-8", "replace"))[:_MOST_WORDS]
        raise NoToken(f"{command[0]} left with {ran.returncode}: {said}")
    return ran.stdout.decode("utf-8", "replace").strip()


def _kept_in(file: Path) -> str:
    try:
        return vault.private_text(file, "missing; relay.token_file names it").strip()
    except SecretError as error:
        raise NoToken(str(error), permanent=True) from error


def _granted(settings: RelaySettings, secret: str) -> _Token:
    file = Path(settings.token_file) if settings.token_file else None
    fields = {"client_id": settings.token_client, "client_secret": secret, "scope": settings.token_scope}
    if file:
        fields |= {"grant_type": "refresh_token", "refresh_token": _kept_in(file)}
    else:
        fields |= {"grant_type": "client_credentials"}
    answer = _post(settings.token_url, {name: value for name, value in fields.items() if value})
    renewed = answer.get("refresh_token")
    if file and isinstance(renewed, str) and renewed != fields["refresh_token"]:
        _keep(file, renewed)
    seconds = answer.get("expires_in")
    ends_in = float(seconds) - _MARGIN_SECONDS if isinstance(seconds, int | float) else _UNTOLD_SECONDS
    text = answer.get("access_token")
    return _Token(text=text if isinstance(text, str) else "", seconds=ends_in)


def _post(url: str, fields: dict[str, str]) -> dict[str, object]:
    """The JSON answer of a token endpoint. It leads nowhere else: a redirect would carry the secrets along."""
    place = urlsplit(url)
    connection = http.client.HTTPSConnection(
        place.hostname or "", place.port, timeout=_PATIENCE_SECONDS, context=ssl.create_default_context()
    )
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    target = f"{place.path or '/'}?{place.query}" if place.query else place.path or "/"
    try:
        connection.request("POST", target, urlencode(fields), headers)
        with connection.getresponse() as response:
            text = response.read(_MOST_OCTETS)
    except ssl.SSLCertVerificationError as error:
        raise NoToken(f"{place.hostname}: its certificate is not trusted", permanent=True) from error
    except (OSError, http.client.HTTPException) as error:
        raise NoToken(
            f"{place.hostname}: {getattr(error, 'strerror', None) or error or type(error).__name__}"
        ) from error
    finally:
        connection.close()
    try:
        answer = json.loads(text)
    except ValueError:
        answer = None
    found: dict[str, object] = answer if isinstance(answer, dict) else {}
    if response.status != http.HTTPStatus.OK:
        why = without_addresses(f"{found.get('error', '')} {found.get('error_description', '')}")[:_MOST_WORDS]
        permanent = response.status < 500 and response.status not in _PASSING
        raise NoToken(f"{place.hostname} grants no token: {response.status} {why}".strip(), permanent=permanent)
    return found


def _keep(file: Path, token: str) -> None:
    try:
        vault.write_over(file, f"{token}\n")
    except OSError as error:
        raise NoToken(f"{file}: the new refresh token cannot be kept: {error.strerror}", permanent=True) from error
