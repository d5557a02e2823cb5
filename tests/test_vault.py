"""Secrets come from a private file or the environment, and are never shown."""

import base64
from pathlib import Path

import pytest

from newsletter import vault
from newsletter.errors import SecretError
from newsletter.relays import ONLY


def test_a_new_secret_is_private_and_kept_once_written(tmp_path: Path) -> None:
    path = vault.create(tmp_path / "home")
    first = path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600
    assert vault.create(tmp_path / "home").read_bytes() == first
    assert len(vault.unlock(tmp_path / "home", {}).master) == vault.MASTER_BYTES


def test_a_purpose_has_its_own_key(tmp_path: Path) -> None:
    vault.create(tmp_path)
    one = vault.unlock(tmp_path, {})
    assert one.derive("a") == one.derive("a") != one.derive("b")


def test_a_secret_others_may_read_is_refused(tmp_path: Path) -> None:
    path = vault.create(tmp_path)
    path.chmod(0o644)
    with pytest.raises(SecretError, match="chmod 600"):
        vault.unlock(tmp_path, {})


@pytest.mark.parametrize(
    ("text", "says"),
    [("not base64 !", "not base64"), (base64.b64encode(b"short").decode(), "5 bytes")],
)
def test_a_malformed_secret_is_refused(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(SecretError, match=says):
        vault.unlock(tmp_path, {"WORLD_BRIEF_SECRET": text})


def test_a_missing_secret_says_which_command_writes_it(tmp_path: Path) -> None:
    with pytest.raises(SecretError, match="worldbrief init"):
        vault.unlock(tmp_path, {})


def test_the_environment_wins_over_the_file_and_nothing_is_shown(tmp_path: Path) -> None:
    vault.create(tmp_path)
    secret = base64.b64encode(b"s" * 32).decode()
    one = vault.unlock(tmp_path, {"WORLD_BRIEF_SECRET": secret, "WORLD_BRIEF_RELAY_PASSWORD": "hunter2"})
    assert one.master == b"s" * 32
    assert one.relay_passwords[ONLY] == "hunter2"
    assert "hunter2" not in repr(one)
    assert "ssss" not in repr(one)


def test_the_relay_password_may_stand_in_a_private_file(tmp_path: Path) -> None:
    vault.create(tmp_path)
    file = tmp_path / vault.RELAY_PASSWORD_FILE
    file.write_text("from a file\n")
    file.chmod(0o600)
    assert vault.unlock(tmp_path, {}).relay_passwords[ONLY] == "from a file"


def test_each_relay_has_a_password_of_its_own(tmp_path: Path) -> None:
    vault.create(tmp_path)
    for name in ("relay.password", "relay.ses.password", "relay.my-house.password", "relay.UPPER.password"):
        (tmp_path / name).write_text(f"in {name}\n")
        (tmp_path / name).chmod(0o600)
    environ = {"WORLD_BRIEF_RELAY_PASSWORD_SES": "told", "WORLD_BRIEF_RELAY_PASSWORD_MY_HOUSE": ""}
    one = vault.unlock(tmp_path, environ)
    assert one.relay_passwords == {
        "relay": "in relay.password",
        "ses": "told",
        "my-house": "in relay.my-house.password",
    }
    assert "in relay" not in repr(one)
    assert "told" not in repr(one)


def test_a_relay_password_others_may_read_is_refused(tmp_path: Path) -> None:
    vault.create(tmp_path)
    (tmp_path / "relay.ses.password").write_text("secret")
    (tmp_path / "relay.ses.password").chmod(0o640)
    with pytest.raises(SecretError, match=r"relay\.ses\.password may be read by others|chmod 600"):
        vault.unlock(tmp_path, {})


def test_a_rotation_adds_a_secret_and_keeps_what_the_first_made(tmp_path: Path) -> None:
    path = vault.create(tmp_path)
    first = vault.unlock(tmp_path, {})
    assert vault.add_master(tmp_path) == 2
    assert vault.add_master(tmp_path) == 3
    assert path.stat().st_mode & 0o777 == 0o600
    now = vault.unlock(tmp_path, {})
    assert (now.number, set(now.former)) == (3, {1, 2})
    assert now.former[1] == first.master
    assert now.derive("a") != first.derive("a")
    assert now.derive_all("a")[0] == now.derive("a")
    assert now.derive_all("a")[2] == first.derive("a")


def test_a_private_file_is_written_over_whole_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("old")
    file.chmod(0o644)
    vault.write_over(file, "new")
    assert file.read_text() == "new"
    assert file.stat().st_mode & 0o777 == 0o600
    (tmp_path / "taken").mkdir()
    with pytest.raises(IsADirectoryError):
        vault.write_over(tmp_path / "taken", "new")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["taken", "token"]


@pytest.mark.parametrize("text", ["1 {key}\n1 {key}", "0 {key}", "256 {key}", "{key}\n1 {key}", "  \n"])
def test_secrets_that_cannot_be_told_apart_are_refused(tmp_path: Path, text: str) -> None:
    key = base64.b64encode(b"s" * 32).decode()
    with pytest.raises(SecretError):
        vault.unlock(tmp_path, {"WORLD_BRIEF_SECRET": text.format(key=key)})
