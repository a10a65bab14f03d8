"""The mailhaul command as a service or in a container: no password is in the rc file."""

from __future__ import annotations

from pathlib import Path

import pytest

from .corpus import simple
from .mailhaul import mailhaul
from .servers.dovecot import Dovecot

pytestmark = pytest.mark.real


def entry(server: Dovecot, user: str, other: str, at_source: str, at_target: str) -> str:
    return (
        f"poll localhost no dns protocol IMAP port {server.imap_port}\n"
        f"  user {user} {at_source} sslproto ''\n"
        f'  append "imap://{other}@localhost:{server.imap_port}/" {at_target}\n'
    )


def test_credentials_of_systemd_open_source_and_target(
    dovecot: Dovecot, user: str, tmp_path: Path
) -> None:
    folder = tmp_path / "credentials"
    folder.mkdir(mode=0o700)
    for name in ("source", "target"):
        (folder / name).write_text(dovecot.password)
        (folder / name).chmod(0o440)
    other = dovecot.new_user()
    rc = entry(dovecot, user, other, "passwordfile source", "appendpasswordfile target")
    dovecot.deliver(user, simple(1))
    without = mailhaul(rc, tmp_path)
    assert without.code == 6
    assert "source: No such file or directory; create it" in without.err
    run = mailhaul(rc, tmp_path, environment={"CREDENTIALS_DIRECTORY": str(folder)})
    assert (run.code, run.err) == (0, "")
    assert (len(dovecot.messages(user)), len(dovecot.messages(other))) == (0, 1)
    # A wrong password for the target leaves the mail where it is.
    dovecot.deliver(user, simple(2))
    (folder / "target").chmod(0o640)
    (folder / "target").write_text("not this one")
    run = mailhaul(rc, tmp_path, environment={"CREDENTIALS_DIRECTORY": str(folder)})
    assert run.code == 10
    assert (len(dovecot.messages(user)), len(dovecot.messages(other))) == (1, 1)


def test_variables_of_a_container_open_source_and_target(
    dovecot: Dovecot, user: str, tmp_path: Path
) -> None:
    other = dovecot.new_user()
    rc = entry(dovecot, user, other, "passwordenv MAIL_SOURCE", "appendpasswordenv MAIL_TARGET")
    dovecot.deliver(user, simple(1))
    values = dict.fromkeys(("MAIL_SOURCE", "MAIL_TARGET"), dovecot.password)
    run = mailhaul(rc, tmp_path, environment=values)
    assert (run.code, run.err) == (0, "")
    assert (len(dovecot.messages(user)), len(dovecot.messages(other))) == (0, 1)
