"""An issuer in the simulated runtime, and the clock, files and account of a token keeper."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from mailhaul.adapters.http.client import HttpOptions
from mailhaul.adapters.oauth.accounts import OAuthAccount, TokenOwner, owner_of
from mailhaul.adapters.oauth.grants import Issuer
from mailhaul.adapters.oauth.keeper import TokenKeeper
from mailhaul.adapters.oauth.saved import SavedToken
from mailhaul.adapters.oauth.store import TokenStore
from mailhaul.flows.channel import Channel
from mailhaul.flows.requests import Close, Tcp
from mailhaul.protocols.record import replace
from mailhaul.protocols.secret import Secret
from mailhaul.runtimes.simulated import Simulation

from ..http.peer import Peer, Taken, next_request

ISSUER = "https://issuer.example"
START = 1_796_000_000.0


class FakeIssuer:
    """Rotates refresh tokens; a used one is refused, and takes the whole consent with it.

    With ``grace`` the former one is valid until the new one is used, as at most issuers.
    """

    def __init__(self) -> None:
        self.refresh = "refresh-0"
        self.former = ""
        self.grace = False
        self.count = 0
        self.asked = 0
        self.lifetime: int | None = 3600
        self.revoked = False
        self.answer: Callable[[dict[str, str]], tuple[int, Any]] | None = None
        self.forms: list[dict[str, str]] = []
        self.discoveries = 0

    def respond(self, taken: Taken) -> tuple[int, Any]:
        if taken.method == "GET":
            self.discoveries += 1
            if "oauth-authorization-server" in taken.target:
                return 404, {}
            return 200, {
                "issuer": ISSUER,
                "token_endpoint": f"{ISSUER}/token",
                "authorization_endpoint": f"{ISSUER}/auth",
                "scopes_supported": ["openid", "offline_access", "mail"],
            }
        form = {name: values[0] for name, values in parse_qs(taken.body.decode()).items()}
        self.forms.append(form)
        return self.respond_to(form)

    def respond_to(self, form: dict[str, str]) -> tuple[int, Any]:
        """Return the status and the document for a request for tokens; status 0 is no answer."""
        self.asked += 1
        if self.answer:
            return self.answer(form)
        if form["grant_type"] == "refresh_token":
            again = self.grace and form["refresh_token"] == self.former
            if self.revoked or not (again or form["refresh_token"] == self.refresh):
                self.revoked = True
                return 400, {"error": "invalid_grant", "error_description": "grant is gone"}
            self.former = form["refresh_token"]
            self.refresh = f"refresh-{self.asked}"
        self.count += 1
        document = {
            "access_token": f"access-{self.count}",
            "token_type": "Bearer",
            "expires_in": self.lifetime,
            "refresh_token": self.refresh,
        }
        return 200, {name: value for name, value in document.items() if value is not None}

    async def serve(self, channel: Channel[Peer]) -> None:
        taken = await next_request(channel)
        if taken:
            status, document = self.respond(taken)
            if not status:
                await Close(channel)
                return
            body = document if isinstance(document, bytes) else json.dumps(document).encode()
            head = b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (status, len(body))
            channel.machine.say(head + body)
        await Close(channel)


class World:
    """Everything around a keeper. ``now`` is the wall clock, which a test moves."""

    def __init__(self, folder: Path, **account: Any) -> None:
        self.folder = str(folder / "tokens")
        self.issuer = FakeIssuer()
        self.now = START
        self.secrets: dict[str, bytes] = {}
        owner = owner_of(ISSUER, None, "mailhaul-id", "joe@x.example", account.pop("grant", "code"))
        values: dict[str, Any] = {
            "owner": owner,
            "label": "joe@x.example",
            "place": "rc:1:1",
            "uses": frozenset({"imap"}),
            "scope": (),
            "key": None,
            "read_secret": self.read_secret,
            **account,
        }
        self.account = OAuthAccount(**values)
        self.make_store: Callable[[str, TokenOwner], TokenStore] = TokenStore
        self.store = TokenStore(self.folder, self.account.owner)

    async def read_secret(self, name: str) -> Secret | None:
        value = self.secrets.get(name)
        return None if value is None else Secret(value)

    def consent(self, **changes: Any) -> None:
        """Sign in: what ``mailhaul login`` would have stored."""
        values: dict[str, Any] = {"refresh": Secret(self.issuer.refresh.encode()), **changes}
        assert self.store.try_lock()
        self.store.save(SavedToken(**values))
        self.store.unlock()

    def keeper(self, **more: Any) -> TokenKeeper:
        store = self.make_store(self.folder, self.account.owner)
        options = HttpOptions(environment={})
        account = replace(self.account, **more.pop("account", {}))
        issuer = Issuer(account, lambda: self.now, options, lambda count: b"r" * count)
        return TokenKeeper(account, store, issuer, lambda: self.now, **more)

    def simulation(self, *, reachable: bool = True, **options: Any) -> Simulation:
        made = Simulation(**options)
        if reachable:
            made.listen(Tcp("issuer.example", 443), Peer, self.issuer.serve)
        return made

    def run(self, flow: Any, **options: Any) -> Any:
        return self.simulation(**options).run(flow)

    def token(self, **options: Any) -> str:
        found: Secret = self.run(self.keeper().token(), **options)
        return found.reveal().decode()
