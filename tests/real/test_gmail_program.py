"""The whole program from POP3 into Gmail: TLS, real sockets, a real ledger and real kills.

Gmail is the stand-in. The program reaches it by the name of the real service, through a proxy.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from mailhaul.adapters.oauth.accounts import owner_of
from mailhaul.adapters.oauth.saved import SavedToken
from mailhaul.adapters.oauth.store import TokenStore
from mailhaul.protocols.pop3.server import Pop3Server
from mailhaul.protocols.secret import Secret
from mailhaul.servers.logins import Logins
from mailhaul.servers.mailboxes import Mailbox
from mailhaul.servers.pop3 import Maildrop, serve_pop3

from .servers.certificates import Certificate
from .servers.gmail import Gmail
from .servers.streaming import streaming
from .servers.tunnel import Tunnel

USER = "ann@example.org"
TOKEN = "a-token-of-ann"
USERS = {b"joe": b"sesame", b"jim": b"sesame"}
TEXTS = [
    b"Message-ID: <%d@x>\r\nFrom: a@x\r\nSubject: %d\r\n\r\n%b\r\n" % (n, n, b"x" * 3000 * n)
    for n in (1, 2, 3)
]


@dataclass
class Place:
    """Gmail behind a proxy, a maildrop, and a home."""

    home: Path
    gmail: Gmail
    tunnel: Tunnel
    mailbox: Mailbox
    port: int

    def start(self, *words: str, more: str = "") -> subprocess.Popen[str]:
        rc = self.home / "rc"
        rc.write_text(
            f"poll localhost no dns protocol POP3 port {self.port}\n"
            f"  oauthissuer gmail oauthclient id oauthsecret word\n"
            f"  user joe password sesame sslproto '' gmail {USER} {more}\n"
        )
        rc.chmod(0o600)
        return subprocess.Popen(
            [sys.executable, "-m", "mailhaul", "-f", str(rc), *words],
            cwd=self.home,
            env={
                "PATH": os.defpath,
                "HOME": str(self.home),
                "PYTHONPATH": os.pathsep.join(sys.path),
                "SSL_CERT_FILE": str(self.home / "ca.pem"),
                "https_proxy": f"http://127.0.0.1:{self.tunnel.port}",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str, more: str = "") -> tuple[int, str]:
        """Return the exit code and what was printed."""
        with self.start(*words, more=more) as process:
            out, err = process.communicate(timeout=60)
        return process.returncode, out + err

    def sign_in(self, token: str = TOKEN, user: str = USER) -> None:
        """Save a token, as ``mailhaul login`` does."""
        [ledger] = self.home.rglob("ledger.db")
        owner = owner_of("gmail", None, "id", user, "code")
        now = time.time()
        saved = SavedToken(access=Secret(token.encode()), expires=now + 3600, obtained=now)
        TokenStore(str(ledger.parent / "tokens"), owner).save(saved)

    @property
    def stored(self) -> list[bytes]:
        return [message.octets for message in self.gmail.messages]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    certificate = Certificate(tmp_path / "chain", tmp_path / "key")
    issued = authority.issue_cert("gmail.googleapis.com")
    issued.cert_chain_pems[0].write_to_path(str(certificate.chain))
    issued.private_key_pem.write_to_path(str(certificate.key))
    gmail = Gmail(certificate)
    gmail.allow(TOKEN, USER)
    mailbox = Mailbox(TEXTS, 5)
    drop, logins = Maildrop(mailbox), Logins(USERS, lambda: b"<1@pop3>")
    with gmail.running():
        gmail.url = "https://gmail.googleapis.com"
        tunnel = Tunnel(gmail.port)
        with (
            tunnel.running(),
            streaming(Pop3Server, lambda channel: serve_pop3(channel, drop, logins)) as port,
        ):
            home = tmp_path / "home"
            home.mkdir()
            (tmp_path / "ca.pem").rename(home / "ca.pem")
            yield Place(home, gmail, tunnel, mailbox, port)


def test_from_pop3_into_gmail(place: Place) -> None:
    code, said = place.run()
    assert code == 3
    assert f"{USER}: consent needed: there is no token yet; type" in said
    assert f'"mailhaul login {USER}"' in said
    assert place.gmail.requests == []
    place.sign_in()
    code, said = place.run("-v", "-v", more="gmaillabels STARRED Label_7 gmailneverspam")
    assert code == 5
    assert "Invalid label: Label_7" in said
    place.gmail.store.labels.add("Label_7")
    code, said = place.run("-v", "-v", more="gmaillabels STARRED Label_7 gmailneverspam")
    assert code == 0
    assert place.stored == TEXTS
    assert {message.labels for message in place.gmail.messages} == {("STARRED", "Label_7")}
    assert place.mailbox.messages == []
    assert set(place.tunnel.targets) == {"gmail.googleapis.com:443"}
    # One connection for each run.
    assert len(place.tunnel.targets) == 2
    assert "GMAIL> POST /upload/gmail/v1/users/ann%40example.org/messages/import" in said
    assert TOKEN not in said
    assert "upload_id" not in said
    assert place.run()[0] == 1


def test_two_mailboxes_side_by_side(place: Place) -> None:
    """Several accounts run on trio, one alone on the blocking runtime."""
    place.run()
    place.sign_in()
    place.gmail.allow("a-token-of-bob", "bob@example.org")
    place.sign_in("a-token-of-bob", "bob@example.org")
    other = Mailbox(TEXTS, 5)
    drop, logins = Maildrop(other), Logins(USERS, lambda: b"<1@pop3>")
    with streaming(Pop3Server, lambda channel: serve_pop3(channel, drop, logins)) as port:
        entry = (
            f"poll other via localhost no dns protocol POP3 port {port} oauthissuer gmail "
            "oauthclient id oauthsecret word user jim password sesame sslproto '' gmail "
        )
        code, said = place.run(more=f"\n{entry} bob@example.org")
    assert code == 0, said
    for user in (USER, "bob@example.org"):
        assert [one.octets for one in place.gmail.messages if one.user == user] == TEXTS
    assert (place.mailbox.messages, other.messages) == ([], [])
    assert len(place.tunnel.targets) == 2


def test_the_version_names_the_mailbox(place: Place) -> None:
    code, said = place.run("-V")
    assert code == 0
    assert f"Messages will be imported into the Gmail mailbox {USER}." in said


@pytest.mark.parametrize("octets", [100, 1500, 3500, 4700, 6000, 9000, 12000, 15000, 20000])
def test_a_kill_in_the_middle_of_an_upload_loses_nothing(place: Place, octets: int) -> None:
    place.run()
    place.sign_in()
    place.tunnel.hold(octets)
    with place.start() as process:
        assert place.tunnel.held.wait(30)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=30)
    place.tunnel.go_on()
    time.sleep(0.1)
    assert place.run()[0] == 0
    assert sorted(place.stored) == sorted(TEXTS)
    assert place.mailbox.messages == []


def test_a_refused_token_is_no_refused_message(place: Place) -> None:
    place.run()
    place.sign_in("another")
    code, said = place.run()
    assert code == 3
    # Without a refresh token only the user can get another one.
    assert f'type "mailhaul login {USER}"' in said
    assert len(place.gmail.requests) == 1
    assert len(place.mailbox.messages) == 3
