"""Where an authorization server has its endpoints, and how it describes them.

RFC 8414, and OpenID Connect Discovery 1.0, which is older and differs in the address.
"""

from __future__ import annotations

import re

from ..errors import LocalProtocolError
from ..http import HttpRequest, HttpResponse, parse_url
from ..record import Record
from .encoding import json_object, plain_words, text_of, texts_of
from .errors import refusal_of
from .results import Misconfigured, Refused, TryLater

OAUTH = "/.well-known/oauth-authorization-server"
OPENID = "/.well-known/openid-configuration"
OFFLINE = "offline_access"
NOT_FOUND = frozenset({404, 410})
TENANT_ID = "{tenantid}"
GUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


class AuthorizationServer(Record):
    """An authorization server. An endpoint that it does not have is "".

    ``issuer`` may contain ``{tenantid}``, as in Microsoft's description of itself: the GUID of the
    user's organization, which is known only after the consent.
    ``names_itself`` is true if it announces ``iss`` in its redirects (RFC 9207, section 3).
    ``client_methods`` are how a client may prove itself, () if it does not say, and ``scopes``
    those that it announces.
    ``authorization_extra`` are parameters that this server needs beside those of the RFCs.
    """

    issuer: str
    authorization: str
    token: str
    device: str = ""
    revocation: str = ""
    names_itself: bool = False
    client_methods: tuple[str, ...] = ()
    authorization_extra: tuple[tuple[str, str], ...] = ()
    scopes: tuple[str, ...] = ()

    def is_called(self, name: str) -> bool:
        """Whether this is the name of the issuer (RFC 9207, 2.4)."""
        before, tenant, after = self.issuer.partition(TENANT_ID)
        if not tenant:
            return name == self.issuer
        middle = name.removeprefix(before).removesuffix(after)
        return name == f"{before}{middle}{after}" and GUID.fullmatch(middle) is not None


def discovery_requests(issuer: str) -> tuple[HttpRequest, ...]:
    """Return the requests for the description of an issuer, to be tried in this order.

    Raises LocalProtocolError for an address that cannot be one (RFC 8414, section 2).
    """
    parts = parse_url(issuer)
    if "?" in parts.target:
        raise LocalProtocolError("the address of an issuer has no query")
    origin = f"{parts.scheme}://{parts.authority}"
    path = parts.target.rstrip("/")
    # RFC 8414, 3.1: between host and path; OpenID: after the path.
    addresses = dict.fromkeys(
        (f"{origin}{OAUTH}{path}", f"{origin}{path}{OPENID}", f"{origin}{OPENID}{path}")
    )
    accept = (("Accept", "application/json"),)
    return tuple(HttpRequest("GET", address, accept) for address in addresses)


def read_discovery(
    issuer: str, request: HttpRequest, response: HttpResponse
) -> AuthorizationServer | Refused | None:
    """Return the server that a response describes; None if the next address should be tried."""
    if response.status in NOT_FOUND:
        return None
    if response.status != 200:
        return refusal_of(request, response)
    found = json_object(response.body)
    if found is None:
        # Many sites answer every address with a page.
        return None
    named = text_of(found, "issuer")
    if named != issuer:
        # RFC 8414, 3.3: otherwise one issuer could pretend to be another.
        return Misconfigured("wrong_issuer", f"it calls itself {plain_words(named) or 'nothing'}")
    try:
        return _server(found)
    except LocalProtocolError as error:
        return Misconfigured("invalid_metadata", str(error))


def not_discovered(issuer: str, last: Refused | None) -> Refused:
    """Return the failure if no address had a description."""
    if isinstance(last, TryLater):
        return last
    return last or Misconfigured("no_metadata", f"{issuer} has no description of an issuer")


def _server(found: dict[str, object]) -> AuthorizationServer:
    """Return the server in a JSON document. Raises LocalProtocolError."""
    methods = texts_of(found, "code_challenge_methods_supported")
    if methods is not None and "S256" not in methods:
        raise LocalProtocolError("the issuer does not offer PKCE with S256")
    if not text_of(found, "token_endpoint"):
        raise LocalProtocolError("the issuer names no token endpoint")
    scopes = texts_of(found, "scopes_supported") or ()
    return AuthorizationServer(
        issuer=text_of(found, "issuer"),
        authorization=_endpoint(found, "authorization_endpoint"),
        token=_endpoint(found, "token_endpoint"),
        device=_endpoint(found, "device_authorization_endpoint"),
        revocation=_endpoint(found, "revocation_endpoint"),
        names_itself=found.get("authorization_response_iss_parameter_supported") is True,
        client_methods=texts_of(found, "token_endpoint_auth_methods_supported") or (),
        # OpenID Connect Core, 11: without the prompt there is no refresh token.
        authorization_extra=(("prompt", "consent"),) if OFFLINE in scopes else (),
        scopes=scopes,
    )


def _endpoint(found: dict[str, object], name: str) -> str:
    """Return the address of an endpoint, "" if there is none. Raises LocalProtocolError."""
    address = text_of(found, name)
    if not address:
        return ""
    try:
        parse_url(address)
    except LocalProtocolError as error:
        raise LocalProtocolError(f"{name}: {error}") from None
    return address
