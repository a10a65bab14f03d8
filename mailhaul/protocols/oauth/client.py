"""The requests for tokens, one for each grant, and the answers to them (RFC 6749, 7009, 7523)."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote_plus

from ..errors import LocalProtocolError
from ..http import HttpRequest, HttpResponse
from ..record import Record
from ..secret import Secret
from .discovery import AuthorizationServer
from .encoding import FORM, form, json_object, plain_words, seconds_of, text_of
from .errors import refusal_of
from .results import Misconfigured, Refused, Revoked, TokenResult, Tokens, TryLater

MAX_TOKEN: Final = 64 * 1024
"""Octets of a token."""
MAX_EXPIRY: Final = 366 * 24 * 3600
ASSERTION: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
JWT_BEARER: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
DEVICE_CODE: Final = "urn:ietf:params:oauth:grant-type:device_code"
_TOKEN: Final = re.compile(r"[!-~]+")


class Registration(Record):
    """What the issuer knows this client by: its id, and its secret if it has one.

    ``assertion`` is a signed JWT in place of the secret, for one request only (RFC 7523, 2.2).
    """

    id: str
    secret: Secret | None = None
    assertion: Secret | None = None


def exchange_code(
    server: AuthorizationServer,
    client: Registration,
    code: Secret,
    verifier: Secret,
    redirect: str,
) -> HttpRequest:
    """Ask for the tokens of an authorization code (RFC 6749, 4.1.3; RFC 7636, 4.5)."""
    return _token_request(
        server,
        client,
        {
            "grant_type": "authorization_code",
            "code": shown(code),
            "redirect_uri": redirect,
            "code_verifier": shown(verifier),
        },
        code,
        verifier,
    )


def refresh(
    server: AuthorizationServer,
    client: Registration,
    token: Secret,
    scope: tuple[str, ...] = (),
) -> HttpRequest:
    """Ask for new tokens by a refresh token (RFC 6749, section 6)."""
    parameters = {
        "grant_type": "refresh_token",
        "refresh_token": shown(token),
        "scope": " ".join(scope),
    }
    return _token_request(server, client, parameters, token)


def client_credentials(
    server: AuthorizationServer, client: Registration, scope: tuple[str, ...]
) -> HttpRequest:
    """Ask for a token of the client itself (RFC 6749, 4.4). Raises LocalProtocolError."""
    if client.secret is None and client.assertion is None:
        raise LocalProtocolError("the grant of client credentials needs a secret or a certificate")
    parameters = {"grant_type": "client_credentials", "scope": " ".join(scope)}
    return _token_request(server, client, parameters)


def service_account(server: AuthorizationServer, assertion: Secret) -> HttpRequest:
    """Ask for a token by a signed assertion (RFC 7523, 2.1)."""
    parameters = {"grant_type": JWT_BEARER, "assertion": shown(assertion)}
    return post(server.token, parameters, (assertion,))


def ask_for_device_code(
    server: AuthorizationServer, client: Registration, scope: tuple[str, ...]
) -> HttpRequest:
    """Ask for a code that the user enters elsewhere (RFC 8628, 3.1). Raises LocalProtocolError."""
    if not server.device:
        raise LocalProtocolError("the issuer has no device flow")
    return _proven(server, client, server.device, {"scope": " ".join(scope)})


def poll_device_code(
    server: AuthorizationServer, client: Registration, code: Secret
) -> HttpRequest:
    """Ask whether the user has decided (RFC 8628, 3.4)."""
    parameters = {"grant_type": DEVICE_CODE, "device_code": shown(code)}
    return _token_request(server, client, parameters, code)


def revoke(server: AuthorizationServer, client: Registration, token: Secret) -> HttpRequest:
    """Revoke a refresh token and all that was made from it. Raises LocalProtocolError.

    RFC 7009, section 2.1.
    """
    if not server.revocation:
        raise LocalProtocolError("the issuer cannot revoke a token on request")
    parameters = {"token": shown(token), "token_type_hint": "refresh_token"}
    return _proven(server, client, server.revocation, parameters, token)


def read_tokens(
    request: HttpRequest, response: HttpResponse, asked: tuple[str, ...] = ()
) -> TokenResult:
    """Return the tokens in a response, or why there are none. ``asked`` is the requested scope.

    A response without a scope grants what was requested (RFC 6749, 5.1). A refresh token is kept
    whatever else is wrong: the one before may have ended.
    """
    found = json_object(response.body) if 200 <= response.status < 300 else None
    if found is None or found.get("error"):
        return refusal_of(request, response)
    access = text_of(found, "access_token")
    renewal = text_of(found, "refresh_token")
    kind = text_of(found, "token_type")
    refresh_token = Secret(renewal.encode("ascii")) if usable(renewal) else None
    if not usable(access) or (renewal and refresh_token is None):
        words = "the answer has no usable token"
        return TryLater("no_token", words, refresh_token=refresh_token)
    if kind.lower() != "bearer":
        # RFC 6749, 7.1: a client must not use a token of a type that it does not know.
        words = plain_words(kind, (Secret(access.encode("ascii")),)) or "none"
        problem = f"the type of the token is {words}"
        return Misconfigured("token_type", problem, refresh_token)
    return Tokens(
        Secret(access.encode("ascii")),
        refresh_token,
        seconds_of(found, "expires_in", MAX_EXPIRY),
        tuple(text_of(found, "scope").split()) or asked,
        kind,
    )


def read_revocation(request: HttpRequest, response: HttpResponse) -> Revoked | Refused:
    """Return whether a revocation was accepted, which an unknown token is too (RFC 7009, 2.2)."""
    if response.status == 200:
        return Revoked()
    refused = refusal_of(request, response)
    # Some issuers have an error for a token that has ended.
    return Revoked() if refused.reason == "invalid_token" else refused


def usable(token: str) -> bool:
    """Whether a token can be sent in a header (RFC 6750, 2.1)."""
    return len(token) <= MAX_TOKEN and _TOKEN.fullmatch(token) is not None


def shown(secret: Secret) -> str:
    """Return a secret as the text that is sent."""
    return secret.reveal().decode("utf-8", "surrogateescape")


def _token_request(
    server: AuthorizationServer,
    client: Registration,
    parameters: Mapping[str, str],
    *secrets: Secret,
) -> HttpRequest:
    return _proven(server, client, server.token, parameters, *secrets)


def _proven(
    server: AuthorizationServer,
    client: Registration,
    url: str,
    parameters: Mapping[str, str],
    *secrets: Secret,
) -> HttpRequest:
    """Return a request that says which client sends it (RFC 6749, 2.3.1)."""
    if client.assertion is not None:
        proof = {
            "client_id": client.id,
            "client_assertion_type": ASSERTION,
            "client_assertion": shown(client.assertion),
        }
        return post(url, {**parameters, **proof}, (*secrets, client.assertion))
    if client.secret is None:
        return post(url, {**parameters, "client_id": client.id}, secrets)
    secret = shown(client.secret)
    if server.client_methods and "client_secret_basic" not in server.client_methods:
        proof = {"client_id": client.id, "client_secret": secret}
        return post(url, {**parameters, **proof}, (*secrets, client.secret))
    pair = f"{quote_plus(client.id)}:{quote_plus(secret, errors='surrogateescape')}"
    basic = b64encode(pair.encode("ascii"))
    field = ("Authorization", f"Basic {basic.decode('ascii')}")
    return post(url, parameters, (*secrets, client.secret, Secret(basic)), field)


def post(
    url: str, parameters: Mapping[str, str], secrets: tuple[Secret, ...], *fields: tuple[str, str]
) -> HttpRequest:
    """Return a request with a form in its body."""
    always = (("Accept", "application/json"), ("Content-Type", FORM))
    return HttpRequest("POST", url, (*always, *fields), form(parameters), secrets)
