"""Dovecot before and after a dry run and an explanation: every file, flag and UID is the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .corpus import simple
from .mailhaul import mailhaul
from .servers.certificates import Certificates
from .servers.dovecot_services import DovecotServices
from .servers.exim import Exim

pytestmark = pytest.mark.real

HERE = {"PYTHONPATH": str(Path(__file__).parents[2])}
"""The programs run the code of this tree."""


@pytest.fixture(scope="module")
def services(scratch: Path, certificates: Certificates) -> Iterator[DovecotServices]:
    server = DovecotServices(scratch / "looking", certificates.good)
    with server.running():
        yield server


@pytest.mark.parametrize("protocol", ["imap", "pop3"])
def test_dovecot_is_left_as_it_is(
    protocol: str,
    services: DovecotServices,
    exim: Exim,
    certificates: Certificates,
    tmp_path: Path,
) -> None:
    dovecot, user = services, services.new_user()
    for number in (1, 2, 3):
        dovecot.deliver(user, simple(number), "S" if number == 3 else "")
    port = dovecot.imaps_port if protocol == "imap" else dovecot.pop3s_port
    rc = (
        f"poll localhost protocol {protocol} port {port} no dns\n"
        f'  user {user} password "{dovecot.password}" is bob here ssl\n'
        f'  sslcertfile "{certificates.authority}" smtphost localhost/{exim.port}\n'
    )

    def mails() -> dict[str, bytes]:
        """Return the files of the messages, whose names hold UIDs' order and flags."""
        folder = dovecot.maildir(user)
        return {
            # Dovecot itself moves new mail to cur, for any client.
            path.name.removesuffix(":2,"): path.read_bytes()
            for name in ("new", "cur")
            for path in (folder / name).iterdir()
        }

    before = mails()
    run = mailhaul(rc, tmp_path, "--dry-run", "--json", "-v", environment=HERE)
    assert (run.code, run.err) == (0, "")
    document = json.loads(run.out)
    verdicts = [one["verdict"] for one in document["accounts"][0]["mailboxes"][0]["messages"]]
    # POP3 has no record of what was read.
    assert verdicts == ["fetch", "fetch", "seen" if protocol == "imap" else "fetch"]
    assert document["accounts"][0]["mailboxes"][0]["messages"][0]["subject"]
    assert mails() == before
    explained = subprocess.run(
        [sys.executable, "-m", "mailhaul", "explain", user, "--json", "-f", "mailhaulrc"],
        cwd=tmp_path,
        env={**os.environ, **HERE, "HOME": str(tmp_path)},
        capture_output=True,
        check=False,
    )
    assert (explained.returncode, explained.stderr) == (0, b"")
    found = json.loads(explained.stdout)
    assert found["tls"]["verified"]
    used = {one["name"] for one in found["features"] if one["used"]}
    assert {"imap": {"UIDPLUS"}, "pop3": {"PIPELINING", "UIDL", "TOP"}}[protocol] <= used
    assert "PIPELINING" in found["sink"]["listeners"][0]["extensions"]
    assert mails() == before
    again = mailhaul(rc, tmp_path, "--dry-run", "--json", "-v", environment=HERE)
    # The same UIDs, and nothing is recorded as fetched.
    assert again.out == run.out
    assert mails() == before
    assert exim.delivered() == []
