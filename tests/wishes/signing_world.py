"""A world for signing in, in virtual time: an issuer, mail servers that take its tokens, a user."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from mailhaul import sasl
from mailhaul.apps.cli import login as login_command
from mailhaul.apps.polls import tokens as tokens_module
from mailhaul.apps.polls.lines import Lines
from mailhaul.flows.channel import Channel
from mailhaul.flows.outcome import ExitCode
from mailhaul.flows.requests import Tcp
from mailhaul.protocols.imap.server import ImapServer
from mailhaul.protocols.pop3.server import Pop3Server
from mailhaul.protocols.secret import Secret
from mailhaul.protocols.smtp.server import SmtpServer
from mailhaul.runtimes.simulated import Simulation
from mailhaul.servers.imap import ImapService
from mailhaul.servers.logins import Logins
from mailhaul.servers.mailboxes import Mailbox, Mailboxes
from mailhaul.servers.pop3 import Maildrop, Pop3Service, Refusal
from mailhaul.servers.smtp import MemorySink, serve_smtp
from tests.adapters.http.peer import Peer, Taken
from tests.adapters.oauth.issuer import ISSUER, START, FakeIssuer
from tests.wishes.simulated_runs import SimulatedRuns

IMAP_PLACES = (Tcp("outlook.office365.com", 993), Tcp("imap.gmail.com", 993), Tcp("mail.x", 993))
POP3_PLACES = (Tcp("outlook.office365.com", 995), Tcp("mail.x", 995))
SMTP_PLACE = Tcp("smtp.office365.com", 587)
ISSUERS = ("issuer.example", "login.microsoftonline.com", "oauth2.googleapis.com")
XOAUTH2, OAUTHBEARER = b"XOAUTH2", b"OAUTHBEARER"


class ConsentIssuer(FakeIssuer):
    """Asks its user for a consent, by a code that is entered elsewhere or in a browser.

    ``consents`` says whether the user, whose name is ``user``, has agreed by now. Tokens that were
    given are in ``owners``.
    """

    def __init__(self) -> None:
        super().__init__()
        self.consents: Callable[[], bool] = lambda: True
        self.user = b"joe@contoso.example"
        self.owners: dict[bytes, bytes] = {}
        self.times: list[float] = []
        self.clock: Callable[[], float] = lambda: 0.0

    def respond(self, taken: Taken) -> tuple[int, Any]:
        if taken.method == "POST" and "device" in taken.target:
            return 200, {
                "device_code": "the-device-code",
                "user_code": "WDJB-MJHT",
                "verification_uri": f"{ISSUER}/activate",
                "expires_in": 900,
                "interval": 5,
            }
        status, document = super().respond(taken)
        if taken.method == "GET" and status == 200:
            document["device_authorization_endpoint"] = f"{ISSUER}/device"
        return status, document

    def respond_to(self, form: dict[str, str]) -> tuple[int, Any]:
        self.times.append(self.clock())
        grant = form["grant_type"].rpartition(":")[2]
        if grant == "device_code" and not self.consents():
            return 400, {"error": "authorization_pending"}
        status, document = super().respond_to(form)
        if status == 200:
            if grant == "client_credentials":
                del document["refresh_token"]
            owner = b"application" if grant == "client_credentials" else self.user
            self.owners[document["access_token"].encode()] = owner
        return status, document


class TokenLogins(Logins):
    """Takes the tokens of an issuer, and a password.

    ``may_use`` are the mailboxes of others that a user may open, ``tried`` the tokens that came,
    and ``users`` the mailboxes that were opened.
    """

    def __init__(self, issuer: ConsentIssuer) -> None:
        super().__init__({b"joe": b"old-pass-word"})
        self.offered: tuple[bytes, ...] = (XOAUTH2,)
        self.may_use: dict[bytes, tuple[bytes, ...]] = {}
        self.tried: list[bytes] = []
        self.users: list[bytes] = []
        self._issuer = issuer
        self._accounts = sasl.Accounts(token_owner=self._owner, may_act_as=self._may_act_as)

    @property
    def mechanisms(self) -> tuple[bytes, ...]:
        return self.offered

    def _owner(self, token: Secret) -> bytes | None:
        self.tried.append(token.reveal())
        return self._issuer.owners.get(self.tried[-1])

    def _may_act_as(self, owner: bytes, user: bytes) -> bool:
        allowed = owner == user or user in self.may_use.get(owner, ())
        if allowed:
            self.users.append(user)
        return allowed


class StrictPop3Service(Pop3Service):
    """Wants AUTH and the token in two lines, as Microsoft does."""

    async def _do(self, command: Any) -> bytes:
        if isinstance(command, sasl.Authenticate) and command.initial_response is not None:
            raise Refusal(b"Protocol error. Connection is closed. 10")
        return await super()._do(command)


class SigningWorld(SimulatedRuns):
    """An issuer, its user with a home folder, and mail servers that take its tokens."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(home, monkeypatch, START)
        self.issuer = ConsentIssuer()
        self.issuer.clock = self.time
        self.logins = TokenLogins(self.issuer)
        self.inbox = Mailbox()
        self.maildrop = Mailbox()
        self.gmail = Mailboxes({b"INBOX": Mailbox()})
        self.received = MemorySink()
        clock = SimpleNamespace(time=self.time)
        monkeypatch.setattr(login_command, "time", clock)
        monkeypatch.setattr(tokens_module, "time", clock)
        # The terminal: what is printed there, and what is pasted.
        self.shown: list[str] = []
        self._pasted = self._clipboard = -1
        monkeypatch.setattr(login_command, "tell", self._look)
        monkeypatch.setattr(login_command, "typed_input", lambda: self._pasted)

    def simulation(self) -> Simulation:
        simulation = super().simulation()
        for place in IMAP_PLACES:
            simulation.listen(place, ImapServer, partial(self._serve_imap, place.host))
        for place in POP3_PLACES:
            simulation.listen(place, Pop3Server, partial(self._serve_pop3, place.host))
        simulation.listen(SMTP_PLACE, SmtpServer, self._serve_smtp)
        for host in ISSUERS:
            simulation.listen(Tcp(host, 443), Peer, self.issuer.serve)
        return simulation

    async def _serve_imap(self, host: str, channel: Channel[ImapServer]) -> None:
        boxes = self.gmail if "gmail" in host else Mailboxes({b"INBOX": self.inbox})
        service = ImapService(channel, boxes, {}, (b"SASL-IR", b"UIDPLUS", b"LITERAL+"))
        service._logins = self.logins  # pyright: ignore[reportPrivateUsage]
        await service.run()

    async def _serve_pop3(self, host: str, channel: Channel[Pop3Server]) -> None:
        strict = StrictPop3Service if "office365" in host else Pop3Service
        await strict(channel, Maildrop(self.maildrop), self.logins).run()

    async def _serve_smtp(self, channel: Channel[SmtpServer]) -> None:
        async def secure() -> None:
            channel.tls = True

        await serve_smtp(channel, self.received, self.logins, secure)

    def log_in(self, *words: str) -> ExitCode:
        """Run ``mailhaul login``."""
        arguments = [*words, "-f", str(self.home / "rc")]
        self._pasted, self._clipboard = os.pipe()
        try:
            return login_command.login(arguments, self.caller, Lines(1, self.out, self.err))
        finally:
            os.close(self._pasted)
            os.close(self._clipboard)

    def _look(self, text: str) -> None:
        """Read what is shown; open an address elsewhere, agree, and paste where it ends."""
        self.shown.append(text)
        for line in text.splitlines():
            asked = parse_qs(urlsplit(line).query)
            if "redirect_uri" in asked:
                answer = urlencode({"code": "the-code", "state": asked["state"][0]})
                os.write(self._clipboard, f"{asked['redirect_uri'][0]}?{answer}\n".encode())
