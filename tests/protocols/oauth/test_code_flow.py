"""The authorization code flow with PKCE: RFC 6749, 4.1; RFC 7636; RFC 9207."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhaul.protocols.errors import LocalProtocolError
from mailhaul.protocols.http import HttpRequest, HttpResponse
from mailhaul.protocols.oauth.code_flow import CodeFlow, NotOurs, challenge_of
from mailhaul.protocols.oauth.results import (
    ConsentNeeded,
    Denied,
    Misconfigured,
    Tokens,
    TryLater,
)
from mailhaul.protocols.record import replace
from mailhaul.protocols.secret import Secret

from .samples import CONFIDENTIAL, ISSUER, PUBLIC, SCOPE, SERVER, answer, granted, parameters, query

REDIRECT = "http://127.0.0.1:4711/"


class Octets:
    """Stands in for the system's randomness: different octets each time."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def __call__(self, count: int) -> bytes:
        self.asked.append(count)
        return bytes([len(self.asked)]) * count


def flow(**changes: Any) -> CodeFlow:
    return CodeFlow(replace(SERVER, **changes), PUBLIC, SCOPE, REDIRECT, Octets())


def sent_back(running: CodeFlow, **changes: str | None) -> str:
    """Return the address to which the browser is sent."""
    answers = {"code": "4/code", "state": query(running.address)["state"], **changes}
    return REDIRECT + "?" + urlencode({name: value for name, value in answers.items() if value})


def test_the_challenge_is_that_of_the_rfc() -> None:
    # RFC 7636, appendix B.
    verifier = Secret(b"dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
    assert challenge_of(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_the_address_asks_for_a_code_and_does_not_show_the_verifier() -> None:
    random = Octets()
    running = CodeFlow(SERVER, CONFIDENTIAL, SCOPE, REDIRECT, random, login_hint="joe@x.example")
    found = query(running.address)
    assert running.address.startswith(SERVER.authorization + "?")
    assert {**found, "state": "", "code_challenge": ""} == {
        "response_type": "code",
        "client_id": "mailhaul-id",
        "redirect_uri": REDIRECT,
        "scope": "imap offline_access",
        "state": "",
        "code_challenge": "",
        "code_challenge_method": "S256",
        "login_hint": "joe@x.example",
    }
    assert min(random.asked) >= 32
    request = running.receive_redirect(sent_back(running))
    assert isinstance(request, HttpRequest)
    verifier = parameters(request)["code_verifier"]
    assert len(verifier) >= 43
    assert challenge_of(Secret(verifier.encode())) == found["code_challenge"]
    assert verifier not in running.address
    assert verifier != found["state"]
    assert parameters(request)["redirect_uri"] == REDIRECT


def test_microsoft_names_the_organization_of_the_user() -> None:
    named = "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0"
    issuer = "https://login.microsoftonline.com/{tenantid}/v2.0"
    running = flow(issuer=issuer, names_itself=True)
    refused = running.receive_redirect(sent_back(running, iss=issuer))
    assert refused == NotOurs("it comes from another issuer")
    assert isinstance(running.receive_redirect(sent_back(running, iss=named)), HttpRequest)


def test_an_endpoint_may_have_a_query_already() -> None:
    running = flow(authorization=f"{ISSUER}/auth?tenant=1", authorization_extra=(("prompt", "x"),))
    assert query(running.address)["tenant"] == "1"
    assert query(running.address)["prompt"] == "x"


def test_a_server_without_an_authorization_endpoint_has_no_code_flow() -> None:
    with pytest.raises(LocalProtocolError, match="no page"):
        flow(authorization="")


@pytest.mark.parametrize(
    "form", ["{}", "  {}\n", "<{}>", '"{}"', "{}#", "{}#fragment?x=1"], ids=repr
)
def test_a_pasted_address_may_be_quoted(form: str) -> None:
    running = flow()
    request = running.receive_redirect(form.format(sent_back(running)))
    assert isinstance(request, HttpRequest)
    assert parameters(request)["code"] == "4/code"


def test_a_value_may_contain_a_question_mark() -> None:
    for start in (REDIRECT + "?", ""):
        running = flow()
        rest = sent_back(running).partition("?")[2].replace("4%2Fcode", "4/co?de")
        assert "?" in rest
        request = running.receive_redirect(start + rest)
        assert isinstance(request, HttpRequest)
        assert parameters(request)["code"] == "4/co?de"


def test_the_path_and_the_query_alone_are_enough() -> None:
    for cut in ("/?", ""):
        running = flow()
        query_alone = sent_back(running).partition("?")[2]
        assert isinstance(running.receive_redirect(cut + query_alone), HttpRequest)


@pytest.mark.parametrize(
    "changes",
    [
        {"state": None},
        {"state": "another"},
        {"state": "ü"},
        {"code": None},
        {"iss": "https://evil.example"},
        {"iss": ISSUER + "/"},
        {"code": None, "error": "access_denied", "state": "another"},
    ],
)
def test_an_address_that_is_no_answer_to_our_request_changes_nothing(changes: Any) -> None:
    running = flow()
    assert isinstance(running.receive_redirect(sent_back(running, **changes)), NotOurs)
    assert running.state == "visiting"
    assert isinstance(running.receive_redirect(sent_back(running)), HttpRequest)


def test_an_issuer_that_names_itself_must_do_so() -> None:
    running = flow(names_itself=True)
    assert running.receive_redirect(sent_back(running)) == NotOurs("it does not name the issuer")
    assert isinstance(running.receive_redirect(sent_back(running, iss=ISSUER)), HttpRequest)


def test_an_issuer_may_name_itself_although_it_has_not_said_so() -> None:
    running = flow()
    assert isinstance(running.receive_redirect(sent_back(running, iss=ISSUER)), HttpRequest)


@pytest.mark.parametrize("name", ["code", "state", "iss"])
def test_nothing_may_occur_twice(name: str) -> None:
    running = flow()
    address = sent_back(running, iss=ISSUER)
    twice = f"{address}&{name}={query(address)[name]}"
    assert running.receive_redirect(twice) == NotOurs("it has a parameter twice")


def test_the_user_may_say_no() -> None:
    running = flow()
    address = sent_back(
        running, code=None, error="access_denied", error_description="not\ttoday\x1b[2J"
    )
    assert running.receive_redirect(address) == Denied("access_denied", "not today [2J")
    assert running.state == "failed"
    with pytest.raises(LocalProtocolError):
        running.receive_redirect(sent_back(running))


def test_a_code_is_exchanged_once() -> None:
    running = flow()
    assert isinstance(running.receive_redirect(sent_back(running)), HttpRequest)
    with pytest.raises(LocalProtocolError):
        running.receive_redirect(sent_back(running))
    assert isinstance(running.receive_response(granted()), Tokens)
    assert running.state == "done"
    with pytest.raises(LocalProtocolError):
        running.receive_response(granted())


def test_no_response_comes_before_the_request() -> None:
    with pytest.raises(LocalProtocolError):
        flow().receive_response(granted())


def test_a_code_survives_trouble_of_the_server() -> None:
    running = flow()
    running.receive_redirect(sent_back(running))
    assert isinstance(running.receive_response(HttpResponse(503)), TryLater)
    assert isinstance(running.receive_response(granted()), Tokens)


@pytest.mark.parametrize(
    ("error", "kind"), [("invalid_grant", ConsentNeeded), ("invalid_client", Misconfigured)]
)
def test_a_refused_code_ends_the_flow(error: str, kind: type) -> None:
    running = flow()
    running.receive_redirect(sent_back(running))
    assert isinstance(running.receive_response(answer(400, error=error)), kind)
    assert running.state == "failed"


@given(st.text() | st.text().map(lambda text: REDIRECT + "?" + text))
def test_any_text_is_refused_without_harm(text: str) -> None:
    running = flow()
    assert isinstance(running.receive_redirect(text), NotOurs)


def test_a_text_without_end_is_refused() -> None:
    running = flow()
    long = sent_back(running) + "&x=" + "y" * 20_000
    assert isinstance(running.receive_redirect(long), NotOurs)
    many = sent_back(running) + "&x=1" * 200
    assert isinstance(running.receive_redirect(many), NotOurs)
