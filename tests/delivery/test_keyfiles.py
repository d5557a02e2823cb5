"""Signing keys are private files that are never written over, and their records are what a receiver needs."""

import base64
import re
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_public_key,
)

from newsletter.config import Config
from newsletter.delivery import keyfiles
from newsletter.errors import SecretError
from newsletter.signing import Dkim
from tests.builders import make_newsletter

DIGEST = sha256(b"a letter").digest()
SHORT = (
    97743843777917331169299795427009927983177121215752474759503529645586212270621,
    96463237024356864146174599885635778693732227664277150168054867815293843080597,
)


def written(file: Path, data: bytes, mode: int = 0o600) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    file.chmod(mode)


def short_key() -> rsa.RSAPrivateKey:
    """512 bits, which the library does not make any more."""
    p, q = SHORT
    d = pow(65537, -1, (p - 1) * (q - 1))
    public = rsa.RSAPublicNumbers(65537, p * q)
    return rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), public).private_key()


def pem(private: rsa.RSAPrivateKey | Ed25519PrivateKey | ec.EllipticCurvePrivateKey, password: bytes = b"") -> bytes:
    secrecy = BestAvailableEncryption(password) if password else NoEncryption()
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, secrecy)


def test_a_new_key_is_private_and_kept_once_made(tmp_path: Path) -> None:
    made = keyfiles.create(tmp_path / "home", "wb1")
    assert (made.algorithm, made.bits) == ("rsa", 2048)
    assert made.file == tmp_path / "home/dkim/wb1.pem"
    assert made.file.stat().st_mode & 0o777 == 0o600
    assert made.file.parent.stat().st_mode & 0o777 == 0o700
    before = made.file.read_bytes()
    assert keyfiles.create(tmp_path / "home", "wb1").record() == made.record()
    assert made.file.read_bytes() == before
    assert "RSAPrivateKey" not in repr(made)


def test_a_twin_is_an_ed25519_key(tmp_path: Path) -> None:
    one, twin = (keyfiles.create(tmp_path, name) for name in keyfiles.pair("wb1", twin=True))
    assert (one.selector, twin.selector) == ("wb1", "wb1-ed25519")
    assert (twin.algorithm, twin.bits) == ("ed25519", 256)
    assert keyfiles.selectors(tmp_path) == ["wb1", "wb1-ed25519"]
    assert keyfiles.pair("wb1", twin=False) == ("wb1",)
    assert keyfiles.selectors(tmp_path / "nowhere") == []


@pytest.mark.parametrize("selector", ["wb1", "wb1-ed25519"])
def test_a_key_knows_its_own_signature_and_makes_it_again(tmp_path: Path, selector: str) -> None:
    one, other = keyfiles.create(tmp_path / "a", selector), keyfiles.create(tmp_path / "b", selector)
    signature = one.sign(DIGEST)
    assert signature == keyfiles.read(tmp_path / "a", selector).sign(DIGEST)
    assert one.made(signature, DIGEST)
    assert not one.made(signature, sha256(b"another").digest())
    assert not other.made(signature, DIGEST)


def test_the_record_holds_the_public_key_in_strings_that_fit(tmp_path: Path) -> None:
    one, twin = (keyfiles.create(tmp_path, name) for name in keyfiles.pair("wb1", twin=True))
    found = re.fullmatch(r"v=DKIM1; k=rsa; p=([A-Za-z0-9+/=]+)", one.record())
    assert found
    assert load_der_public_key(base64.b64decode(found[1])) == one.private.public_key()
    found = re.fullmatch(r"v=DKIM1; k=ed25519; p=([A-Za-z0-9+/=]+)", twin.record())
    assert found
    assert base64.b64decode(found[1]) == twin.private.public_key().public_bytes_raw()  # type: ignore[union-attr]
    line = keyfiles.zone_line(keyfiles.record_name("wb1", "worldbrief.test"), one.record())
    assert line.startswith('wb1._domainkey.worldbrief.test. IN TXT ( "v=DKIM1; k=rsa; p=')
    strings = re.findall(r'"([^"]*)"', line)
    assert "".join(strings) == one.record()
    assert [len(each) <= 255 for each in strings] == [True, True]


def test_each_sender_signs_for_its_own_domain_unless_one_is_set() -> None:
    papers = {
        "a": make_newsletter(key="a", sender_address="a@worldbrief.test"),
        "b": make_newsletter(key="b", sender_address="b@bücher.example"),
        "c": make_newsletter(key="c", sender_address="c@worldbrief.test"),
    }
    config = Config(newsletters=papers)
    assert keyfiles.domains(config) == ["worldbrief.test", "xn--bcher-kva.example"]
    assert keyfiles.domains(replace(config, dkim=Dkim(domain="news.test"))) == ["news.test"]


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_key_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    keyfiles.create(tmp_path, "wb1").file.chmod(mode)
    with pytest.raises(SecretError, match=r"may be read by others.*chmod 600"):
        keyfiles.read(tmp_path, "wb1")


def test_a_missing_key_says_what_makes_it(tmp_path: Path) -> None:
    for selector in keyfiles.pair("wb1", twin=True):
        with pytest.raises(SecretError, match=r"missing; `worldbrief dkim new wb1` makes it"):
            keyfiles.read(tmp_path, selector)


@pytest.mark.parametrize(
    ("selector", "data", "says"),
    [
        ("wb1", b"", "no private key"),
        ("wb1", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "no private key"),
        ("wb1", pem(Ed25519PrivateKey.generate(), b"secret"), "without a password"),
        ("wb1", pem(Ed25519PrivateKey.generate()), "no RSA key"),
        ("wb1", pem(ec.generate_private_key(ec.SECP256R1())), "no RSA key"),
        ("wb1", pem(short_key()), "512 bits"),
        ("wb1-ed25519", pem(short_key()), "no Ed25519 key"),
        ("wb1", b"\xff\xfe", "cannot be read"),
    ],
)
def test_what_cannot_sign_is_refused_and_not_written_over(
    tmp_path: Path, selector: str, data: bytes, says: str
) -> None:
    file = keyfiles.path(tmp_path, selector)
    written(file, data)
    for attempt in (keyfiles.read, keyfiles.create):
        with pytest.raises(SecretError, match=says):
            attempt(tmp_path, selector)
    assert file.read_bytes() == data


def test_a_home_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "dkim").write_text("a file where the folder should be")
    with pytest.raises(SecretError, match="cannot be written"):
        keyfiles.create(tmp_path, "wb1")
