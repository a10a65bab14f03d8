"""Get tokens from an issuer: find its endpoints, and ask by the grant of the account.

These are flows. Trouble on the way to the issuer is a TryLater like trouble of the issuer.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from ...flows.requests import Call
from ...protocols.errors import LocalProtocolError
from ...protocols.http import HttpRequest, HttpResponse
from ...protocols.oauth import client as oauth
from ...protocols.oauth.assertions import Signer, account_assertion, client_assertion
from ...protocols.oauth.client import Registration
from ...protocols.oauth.discovery import (
    AuthorizationServer,
    discovery_requests,
    not_discovered,
    read_discovery,
)
from ...protocols.oauth.encoding import plain_words
from ...protocols.oauth.errors import clock_is_wrong
from ...protocols.oauth.providers import CLIENT, MICROSOFT, OFFLINE, SERVICE, preset, scope_for
from ...protocols.oauth.results import (
    ConsentNeeded,
    Misconfigured,
    Refused,
    Revoked,
    TokenResult,
    Tokens,
    TryLater,
)
from ...protocols.record import Record, replace
from ...protocols.secret import Secret
from ..http.client import HttpClient, HttpFailed, HttpOptions
from .accounts import OAuthAccount
from .signing import BadKey, load_certificate, load_service_account

NO_CONSENT = ConsentNeeded("no_consent", "there is no token yet")
OPENID = ("openid", "offline_access")
LOST = "lost answer"
"""The reason of a failure where the issuer may have obeyed the request."""


class Issuer:
    """Speaks with the issuer of an account; close it afterwards.

    ``clock`` returns seconds since 1970, and ``random`` as many random octets as it is asked for.
    """

    def __init__(
        self,
        account: OAuthAccount,
        clock: Callable[[], float],
        options: HttpOptions | None = None,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.account = account
        self.random = random
        self._clock = clock
        self._http = HttpClient(options)

    async def send(self, request: HttpRequest) -> HttpResponse | TryLater:
        """Send a request; a failure on the way is a TryLater."""
        try:
            # Each on its own connection: one that the server closes meanwhile would leave it
            # unknown whether a refresh token has been used.
            return await self._http.send(request, last=True)
        except HttpFailed as error:
            reason = LOST if error.sent else "no answer"
            return TryLater(reason, plain_words(str(error), request.secrets))

    async def close(self) -> None:
        """Close the connection to the issuer."""
        await self._http.close()

    async def server(self) -> AuthorizationServer | Refused:
        """Return the endpoints of the issuer: from a preset, or by discovery."""
        owner = self.account.owner
        try:
            if known := preset(owner.issuer, owner.tenant):
                return known
            requests = discovery_requests(owner.issuer)
        except LocalProtocolError as error:
            return Misconfigured("issuer", str(error))
        last: Refused | None = None
        for request in requests:
            response = await self.send(request)
            if isinstance(response, TryLater):
                return response
            found = read_discovery(owner.issuer, request, response)
            if isinstance(found, AuthorizationServer):
                return found
            last = found or last
        return not_discovered(owner.issuer, last)

    def scope(self, server: AuthorizationServer) -> tuple[str, ...]:
        """Return the scope to ask for: what the user has chosen, or what the mail needs."""
        account = self.account
        if account.scope:
            return account.scope
        owner = account.owner
        found = scope_for(owner.issuer, owner.grant, account.uses)
        if found or owner.provider.name or owner.grant in {CLIENT, SERVICE}:
            return found
        return tuple(scope for scope in OPENID if scope in server.scopes)

    async def registration(
        self, server: AuthorizationServer, now: float | None = None
    ) -> Registration | Refused:
        """Return what proves the identity of the client: a secret, a certificate, or nothing.

        Raises PollFailed (IOERR) if the secret cannot be read.
        """
        account = self.account
        client = account.owner.client
        if account.key is not None and account.owner.grant != SERVICE:
            signer = await load(partial(load_certificate, account.key))
            if not isinstance(signer, Signer):
                return signer
            moment = int(self._clock() if now is None else now)
            assertion = await Call(
                partial(client_assertion, signer, client, server.token, moment, self.random(16))
            )
            return Registration(client, assertion=assertion)
        return Registration(client, await account.read_secret("oauthsecret"))

    async def revoke(self, token: Secret) -> Revoked | Refused:
        """Revoke a refresh token (RFC 7009)."""
        server = await self.server()
        if not isinstance(server, AuthorizationServer):
            return server
        client = await self.registration(server)
        if not isinstance(client, Registration):
            return client
        try:
            request = oauth.revoke(server, client, token)
        except LocalProtocolError as error:
            return Misconfigured("no revocation", str(error))
        response = await self.send(request)
        if isinstance(response, TryLater):
            return response
        return oauth.read_revocation(request, response)

    async def renew(
        self, server: AuthorizationServer, refresh: Secret | None, scope: tuple[str, ...]
    ) -> TokenResult:
        """Return new tokens, by the grant of the account. ``scope`` is what was granted before.

        An assertion that is refused because of its times is made again by the issuer's clock.
        """
        result, date = await self._renew_at(server, refresh, scope, None)
        if date is not None and not isinstance(result, Tokens) and clock_is_wrong(result):
            result, _ = await self._renew_at(server, refresh, scope, date)
        return result

    async def _renew_at(
        self,
        server: AuthorizationServer,
        refresh: Secret | None,
        scope: tuple[str, ...],
        now: int | None,
    ) -> tuple[TokenResult, int | None]:
        """Return the result, and the time by the issuer's clock."""
        wanted = self.scope(server)
        if self.account.owner.grant == SERVICE:
            request = await self._service_request(server, wanted, now)
        else:
            client = await self.registration(server, now)
            if not isinstance(client, Registration):
                return client, None
            if self.account.owner.grant == CLIENT:
                try:
                    request = oauth.client_credentials(server, client, wanted)
                except LocalProtocolError as error:
                    return Misconfigured("oauthsecret", str(error)), None
            elif refresh is None:
                return NO_CONSENT, None
            else:
                request = oauth.refresh(server, client, refresh, self._named(scope, wanted))
        if not isinstance(request, HttpRequest):
            return request, None
        response = await self.send(request)
        if isinstance(response, TryLater):
            return response, None
        return oauth.read_tokens(request, response, scope or wanted), response.date

    def _named(self, granted: tuple[str, ...], wanted: tuple[str, ...]) -> tuple[str, ...]:
        """Return the scope of a refresh, () for what was granted (RFC 6749, section 6).

        Microsoft's tokens are for one resource, which the scope names. It gives the next refresh
        token only for ``offline_access``, which is missing in what it says that it has granted.
        """
        if self.account.owner.issuer != MICROSOFT:
            return ()
        return tuple(dict.fromkeys((*granted, OFFLINE))) if granted else wanted

    async def _service_request(
        self, server: AuthorizationServer, scope: tuple[str, ...], now: int | None
    ) -> HttpRequest | Refused:
        robot = await load(partial(load_service_account, self.account.key or ""))
        if isinstance(robot, Misconfigured):
            return robot
        at = replace(server, token=robot.token_uri) if robot.token_uri else server
        moment = int(self._clock()) if now is None else now
        assertion = await Call(
            partial(
                account_assertion,
                *(robot.signer, robot.email, self.account.owner.user, scope, at.token, moment),
            )
        )
        return oauth.service_account(at, assertion)


KeyT = TypeVar("KeyT", bound=Record)


async def load(work: Callable[[], KeyT]) -> KeyT | Misconfigured:
    """Read a key file; one that cannot be used is a Misconfigured."""
    try:
        return await Call(work)
    except BadKey as error:
        return Misconfigured("oauthkey", str(error))
