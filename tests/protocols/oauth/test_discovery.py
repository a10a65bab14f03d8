"""Discovery: RFC 8414 and OpenID Connect Discovery."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhaul.protocols.errors import LocalProtocolError
from mailhaul.protocols.http import HttpResponse
from mailhaul.protocols.oauth.discovery import (
    AuthorizationServer,
    discovery_requests,
    not_discovered,
    read_discovery,
)
from mailhaul.protocols.oauth.results import Misconfigured, TryLater

from .samples import ISSUER, answer

REQUEST = discovery_requests(ISSUER)[0]


def document(**changes: Any) -> HttpResponse:
    found = {
        "issuer": ISSUER,
        "authorization_endpoint": f"{ISSUER}/auth",
        "token_endpoint": f"{ISSUER}/token",
        "device_authorization_endpoint": f"{ISSUER}/device",
        "revocation_endpoint": f"{ISSUER}/revoke",
        "code_challenge_methods_supported": ["plain", "S256"],
        "token_endpoint_auth_methods_supported": ["client_secret_post", "none"],
        "authorization_response_iss_parameter_supported": True,
        **changes,
    }
    return answer(**{name: value for name, value in found.items() if value is not None})


def test_the_description_is_in_three_places() -> None:
    assert [request.url for request in discovery_requests("https://a.example/tenant/")] == [
        "https://a.example/.well-known/oauth-authorization-server/tenant",
        "https://a.example/tenant/.well-known/openid-configuration",
        "https://a.example/.well-known/openid-configuration/tenant",
    ]
    assert [request.url for request in discovery_requests("http://localhost:3000")] == [
        "http://localhost:3000/.well-known/oauth-authorization-server",
        "http://localhost:3000/.well-known/openid-configuration",
    ]


@pytest.mark.parametrize("issuer", ["a.example", "http://a.example", "https://a.example/?x=1"])
def test_other_addresses_are_no_issuers(issuer: str) -> None:
    with pytest.raises(LocalProtocolError):
        discovery_requests(issuer)


def test_a_description_is_read() -> None:
    assert read_discovery(ISSUER, REQUEST, document()) == AuthorizationServer(
        ISSUER,
        f"{ISSUER}/auth",
        f"{ISSUER}/token",
        f"{ISSUER}/device",
        f"{ISSUER}/revoke",
        names_itself=True,
        client_methods=("client_secret_post", "none"),
    )


def test_most_of_it_may_be_missing() -> None:
    found = answer(issuer=ISSUER, token_endpoint=f"{ISSUER}/token")
    assert read_discovery(ISSUER, REQUEST, found) == AuthorizationServer(
        ISSUER, "", f"{ISSUER}/token"
    )


@pytest.mark.parametrize("issuer", [ISSUER + "/", "https://evil.example", "", None, 7])
def test_the_issuer_must_be_the_one_that_was_asked_for(issuer: Any) -> None:
    refused = read_discovery(ISSUER, REQUEST, document(issuer=issuer))
    assert isinstance(refused, Misconfigured)
    assert refused.reason == "wrong_issuer"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"token_endpoint": None}, "token endpoint"),
        ({"token_endpoint": "http://issuer.example/token"}, "token_endpoint: the address"),
        ({"device_authorization_endpoint": "/device"}, "device_authorization_endpoint"),
        ({"code_challenge_methods_supported": ["plain"]}, "PKCE"),
    ],
)
def test_a_description_that_cannot_be_used(changes: Any, words: str) -> None:
    refused = read_discovery(ISSUER, REQUEST, document(**changes))
    assert isinstance(refused, Misconfigured)
    assert words in refused.words


@pytest.mark.parametrize(
    "response",
    [
        HttpResponse(404, (), b"no"),
        HttpResponse(200, (("content-type", "text/html"),), b"<html>"),
        HttpResponse(200, (), b"x" * 300_000),
    ],
)
def test_where_there_is_none_the_next_address_is_tried(response: HttpResponse) -> None:
    assert read_discovery(ISSUER, REQUEST, response) is None
    assert isinstance(not_discovered(ISSUER, None), Misconfigured)


def test_trouble_of_the_server_is_no_missing_description() -> None:
    refused = read_discovery(ISSUER, REQUEST, HttpResponse(503))
    assert isinstance(refused, TryLater)
    assert not_discovered(ISSUER, refused) is refused


@given(st.binary() | st.dictionaries(st.text(), st.text()).map(lambda d: json.dumps(d).encode()))
def test_any_document_is_understood_or_refused(body: bytes) -> None:
    result = read_discovery(ISSUER, REQUEST, HttpResponse(200, (), body))
    assert result is None or isinstance(result, Misconfigured)
