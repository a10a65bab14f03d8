"""From ``mailhaul login`` to delivered mail, and what happens when tokens are refused later."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from mailhaul import imap, pop3, sasl
from mailhaul.apps.demo.main import listen
from mailhaul.flows.channel import Channel, Endpoint
from mailhaul.flows.requests import Flow
from mailhaul.servers.imap import ImapService
from mailhaul.servers.logins import Logins
from mailhaul.servers.mailboxes import Mailbox, Mailboxes
from mailhaul.servers.pop3 import Maildrop, serve_pop3

from .small_issuer import SmallIssuer, small_issuer, visit

USER = b"joe@x.example"
MESSAGE = b"From: ann@x.example\r\nTo: joe@x.example\r\nSubject: hello\r\n\r\nHello.\r\n"


class TokenLogins(Logins):
    """Accepts the tokens that the issuer holds valid."""

    def __init__(self, issuer: SmallIssuer) -> None:
        super().__init__({})
        self.tried: list[str] = []

        def owner(token: sasl.Secret) -> bytes | None:
            self.tried.append(token.reveal().decode())
            return USER if self.tried[-1] in issuer.valid else None

        self._accounts = sasl.Accounts(token_owner=owner)

    @property
    def mechanisms(self) -> tuple[bytes, ...]:
        return (b"PLAIN", b"XOAUTH2", b"OAUTHBEARER")


class World:
    """An issuer, an IMAP server, a POP3 server, and the folder of the user."""

    def __init__(self, issuer: SmallIssuer, folder: Path, cleanup: ExitStack) -> None:
        self.issuer = issuer
        self.folder = folder
        self.logins = TokenLogins(issuer)
        self.mailboxes = Mailboxes({b"INBOX": Mailbox([])})
        self.maildrop = Mailbox([])
        self.imap = listen(cleanup, self.imap_session)
        self.pop3 = listen(cleanup, self.pop3_session)

    def imap_session(self) -> tuple[Channel[Endpoint], Flow[None]]:
        channel = Channel("client", imap.Server())
        service = ImapService(channel, self.mailboxes, {}, (b"SASL-IR", b"UIDPLUS"))
        service._logins = self.logins
        return channel, service.run()

    def pop3_session(self) -> tuple[Channel[Endpoint], Flow[None]]:
        channel = Channel("client", pop3.Server())
        return channel, serve_pop3(channel, Maildrop(self.maildrop), self.logins)

    def entry(self, protocol: str = "imap") -> str:
        return (
            f"poll localhost protocol {protocol} port {getattr(self, protocol)} auth oauth "
            f"oauthissuer '{self.issuer.url}' oauthclient the-id oauthsecret the-client-secret "
            f"no dns user joe@x.example sslproto '' maildir {self.folder}/mail\n"
        )

    def start(self, rc: str, *arguments: str) -> subprocess.Popen[str]:
        path = self.folder / "rc"
        path.write_text(rc)
        path.chmod(0o600)
        environment = {name: value for name, value in os.environ.items() if name != "DISPLAY"}
        home = {"HOME": str(self.folder), "FETCHMAILHOME": str(self.folder)}
        return subprocess.Popen(
            [sys.executable, "-m", "mailhaul", *arguments, "-f", str(path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**environment, **home},
        )

    def run(self, rc: str, *arguments: str) -> tuple[int, str]:
        program = self.start(rc, *arguments)
        out, _ = program.communicate(timeout=60)
        assert "Traceback" not in out
        return program.returncode, out

    def sign_in(self) -> None:
        program = self.start(self.entry(), "login", "joe@x.example")
        assert program.stdout
        while not (line := program.stdout.readline()).startswith("http"):
            assert line
        visit(visit(line.strip())[1])
        assert program.wait(60) == 0
        program.stdout.close()

    @property
    def delivered(self) -> int:
        return len(list((self.folder / "mail" / "new").glob("*")))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with ExitStack() as cleanup, small_issuer() as issuer:
        yield World(issuer, tmp_path, cleanup)


def add(box: Mailbox) -> None:
    box.append(MESSAGE)


def test_from_consent_to_mail_by_imap_and_pop3(world: World) -> None:
    code, out = world.run(world.entry())
    assert code == 3
    assert 'consent needed: there is no token yet; type "mailhaul login joe@x.example"' in out
    world.sign_in()
    add(world.mailboxes[b"INBOX"])
    code, out = world.run(world.entry(), "-vv", "--transcript", str(world.folder / "transcript"))
    assert (code, world.delivered) == (0, 1), out
    add(world.maildrop)
    code, more = world.run(world.entry("pop3"), "-vv")
    assert (code, world.delivered) == (0, 2), more
    # One token for both, and none of it is shown.
    assert world.logins.tried == ["access-token-1", "access-token-1"]
    shown = out + more + (world.folder / "transcript").read_text()
    for secret in ("access-token", "refresh-token", "the-client-secret"):
        assert secret not in shown


def test_a_token_that_the_server_no_longer_accepts_is_replaced(world: World) -> None:
    world.sign_in()
    world.issuer.valid.clear()
    code, out = world.run(world.entry())
    assert (code, world.logins.tried) == (1, ["access-token-1", "access-token-2"]), out
    assert world.run(world.entry())[0] == 1
    assert world.logins.tried[-1] == "access-token-2"
    assert len([form for form in world.issuer.forms if form["grant_type"] == "refresh_token"]) == 1


def test_a_consent_that_has_ended_is_said_once_the_issuer_has_been_asked(world: World) -> None:
    world.sign_in()
    world.issuer.valid.clear()
    world.issuer.refresh.clear()
    codes: list[int] = []
    for _ in range(4):
        code, out = world.run(world.entry())
        codes.append(code)
        assert 'type "mailhaul login joe@x.example"' in out
    assert codes == [3] * 4
    assert len([form for form in world.issuer.forms if form["grant_type"] == "refresh_token"]) == 1
    assert len(world.logins.tried) <= 2
    world.sign_in()
    assert world.run(world.entry())[0] == 1


def test_accounts_side_by_side_share_one_refresh(world: World) -> None:
    world.issuer.lifetime = 1
    world.sign_in()
    world.issuer.lifetime = 3600
    code, out = world.run(world.entry() + world.entry("pop3"))
    assert code == 1, out
    renewals = [form for form in world.issuer.forms if form["grant_type"] == "refresh_token"]
    assert len(renewals) <= 2
    assert set(world.logins.tried) <= {"access-token-1", "access-token-2", "access-token-3"}


def test_a_password_in_the_rc_file_is_never_sent_as_a_token(world: World) -> None:
    world.sign_in()
    assert (
        world.run(world.entry().replace("user joe@x.example", "user joe@x.example pass no"))[0] == 1
    )
    assert world.logins.tried == ["access-token-1"]


def test_an_issuer_that_is_down_is_named(world: World) -> None:
    world.issuer.lifetime = 0
    world.sign_in()
    world.issuer.down = True
    code, out = world.run(world.entry())
    assert code == 2
    assert "gives no token now (HTTP status 503" in out


def test_without_the_extra_the_next_step_is_named(world: World) -> None:
    world.issuer.lifetime = 0
    world.sign_in()
    (world.folder / "h11.py").write_text("raise ModuleNotFoundError('h11')\n")
    os.environ["PYTHONPATH"] = f"{world.folder}:{os.environ.get('PYTHONPATH', '')}"
    try:
        code, out = world.run(world.entry())
    finally:
        os.environ["PYTHONPATH"] = os.environ["PYTHONPATH"].partition(":")[2]
    assert code == 6
    assert "install mailhaul[oauth]" in out
