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
from .signing import BadKey, ServiceAccount, load_certificate, load_service_account

NO_CONSENT = ConsentNeeded("no_consent", "there is no token yet")
OPENID = ("openid", "offline_access")
LOST = "lost answer"
"""The reason of a failure where the issuer may have obeyed the request."""


class Proof(Record):
    """What proves who asks: a secret, a certificate's key, a service account, or nothing.

    It is got before the issuer is asked, because a command may have to print the secret.
    """

    secret: Secret | None = None
    signer: Signer | None = None
    robot: ServiceAccount | None = None


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

    @property
    def own_scope(self) -> tuple[str, ...]:
        """The scope that a grant without a consent asks for; () for one with a consent."""
        account = self.account
        owner = account.owner
        if owner.grant not in {CLIENT, SERVICE}:
            return ()
        return account.scope or scope_for(owner.issuer, owner.grant, account.uses)

    async def proof(self) -> Proof | Misconfigured:
        """Read what proves who asks. It may take as long as a command that prints a secret.

        Raises PollFailed (IOERR) if the secret cannot be read.
        """
        account = self.account
        if account.owner.grant == SERVICE:
            robot = await load(partial(load_service_account, account.key or ""))
            return Proof(robot=robot) if isinstance(robot, ServiceAccount) else robot
        if account.key is not None:
            signer = await load(partial(load_certificate, account.key))
            return Proof(signer=signer) if isinstance(signer, Signer) else signer
        return Proof(await account.read_secret("oauthsecret"))

    async def registration(
        self, server: AuthorizationServer, proof: Proof, now: float | None = None
    ) -> Registration:
        """Return the identity of the client, with what proves it."""
        client = self.account.owner.client
        if proof.signer is None:
            return Registration(client, proof.secret)
        moment = int(self._clock() if now is None else now)
        assertion = await Call(
            partial(client_assertion, proof.signer, client, server.token, moment, self.random(16))
        )
        return Registration(client, assertion=assertion)

    async def revoke(self, token: Secret) -> Revoked | Refused:
        """Revoke a refresh token (RFC 7009)."""
        server = await self.server()
        if not isinstance(server, AuthorizationServer):
            return server
        proof = await self.proof()
        if not isinstance(proof, Proof):
            return proof
        client = await self.registration(server, proof)
        try:
            request = oauth.revoke(server, client, token)
        except LocalProtocolError as error:
            return Misconfigured("no revocation", str(error))
        response = await self.send(request)
        if isinstance(response, TryLater):
            return response
        return oauth.read_revocation(request, response)

    async def renew(
        self,
        server: AuthorizationServer,
        refresh: Secret | None,
        scope: tuple[str, ...],
        proof: Proof,
    ) -> TokenResult:
        """Return new tokens, by the grant of the account.

        ``scope`` is what was granted before; for a grant without a consent it is what to ask for.
        An assertion that is refused because of its times is made again by the issuer's clock.
        """
        result, date = await self._renew_at(server, refresh, scope, proof, None)
        if date is not None and not isinstance(result, Tokens) and clock_is_wrong(result):
            result, _ = await self._renew_at(server, refresh, scope, proof, date)
        return result

    async def _renew_at(
        self,
        server: AuthorizationServer,
        refresh: Secret | None,
        scope: tuple[str, ...],
        proof: Proof,
        now: int | None,
    ) -> tuple[TokenResult, int | None]:
        """Return the result, and the time by the issuer's clock."""
        asked = scope or self.scope(server)
        if proof.robot is not None:
            request = await self._service_request(server, proof.robot, asked, now)
        else:
            client = await self.registration(server, proof, now)
            if self.account.owner.grant == CLIENT:
                try:
                    request = oauth.client_credentials(server, client, asked)
                except LocalProtocolError as error:
                    return Misconfigured("oauthsecret", str(error)), None
            elif refresh is None:
                return NO_CONSENT, None
            else:
                named = self._named(scope, self.scope(server))
                request = oauth.refresh(server, client, refresh, named)
        response = await self.send(request)
        if isinstance(response, TryLater):
            return response, None
        return oauth.read_tokens(request, response, asked), response.date

    def _named(self, granted: tuple[str, ...], wanted: tuple[str, ...]) -> tuple[str, ...]:
        """Return the scope of a refresh, () for what was granted (RFC 6749, section 6).

        Microsoft's tokens are for one resource, which the scope names. It gives the next refresh
        token only for ``offline_access``, which is missing in what it says that it has granted.
        """
        if self.account.owner.issuer != MICROSOFT:
            return ()
        return tuple(dict.fromkeys((*granted, OFFLINE))) if granted else wanted

    async def _service_request(
        self,
        server: AuthorizationServer,
        robot: ServiceAccount,
        scope: tuple[str, ...],
        now: int | None,
    ) -> HttpRequest:
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
