"""Servers, clients and answers for the tests of the OAuth client."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

from mailhaul.protocols.http import HttpRequest, HttpResponse
from mailhaul.protocols.oauth.client import Registration
from mailhaul.protocols.oauth.discovery import AuthorizationServer
from mailhaul.protocols.secret import Secret

ISSUER = "https://issuer.example"
SERVER = AuthorizationServer(
    issuer=ISSUER,
    authorization=f"{ISSUER}/auth",
    token=f"{ISSUER}/token",
    device=f"{ISSUER}/device",
    revocation=f"{ISSUER}/revoke",
)
PUBLIC = Registration("mailhaul-id")
CONFIDENTIAL = Registration("mailhaul-id", Secret(b"client:s%cret"))
SCOPE = ("imap", "offline_access")


def answer(status: int = 200, *fields: tuple[str, str], **document: Any) -> HttpResponse:
    kind = ("content-type", "application/json")
    return HttpResponse(status, (kind, *fields), json.dumps(document).encode())


def granted(**changes: Any) -> HttpResponse:
    document = {
        "access_token": "the-access-token",
        "token_type": "Bearer",
        "expires_in": 3600,
        "refresh_token": "the-refresh-token",
    }
    return answer(**{name: value for name, value in {**document, **changes}.items() if value})


def parameters(request: HttpRequest) -> dict[str, str]:
    """Return the form in the body of a request; nothing may occur twice."""
    found = parse_qs(request.body.decode("ascii"), strict_parsing=True)
    assert all(len(values) == 1 for values in found.values())
    return {name: values[0] for name, values in found.items()}


def query(address: str) -> dict[str, str]:
    found = parse_qs(urlsplit(address).query, strict_parsing=True)
    assert all(len(values) == 1 for values in found.values())
    return {name: values[0] for name, values in found.items()}
