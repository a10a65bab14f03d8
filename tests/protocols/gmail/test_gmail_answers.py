"""What the answers of the Gmail API mean, and where a session may be."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhaul.protocols.gmail import answers
from mailhaul.protocols.gmail.answers import (
    BadToken,
    Began,
    Denied,
    Found,
    Gone,
    Incomplete,
    Later,
    Limited,
    Refused,
    Stored,
)
from mailhaul.protocols.gmail.requests import (
    Importer,
    Session,
    ask,
    begin,
    names_in,
    saved_session,
    send_text,
)
from mailhaul.protocols.http import HttpResponse
from mailhaul.protocols.secret import Secret

IMPORTER = Importer("ann+x@example.org")
URL = "https://gmail.googleapis.com/upload/gmail/v1/users/me/messages/import?upload_id=AB"
DIGEST = "0f" * 32
SESSION = Session(URL, 1000, DIGEST)
TOKEN = Secret(b"token")


def refusal(status: int, reason: str, words: str = "So it is", **fields: str) -> HttpResponse:
    error = {"code": status, "message": words, "errors": [{"reason": reason, "message": words}]}
    named = tuple((name.replace("_", "-"), value) for name, value in fields.items())
    return HttpResponse(status, named, json.dumps({"error": error}).encode())


def said(reason: str, words: str = "So it is") -> str:
    return f"{words} ({reason})"


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (refusal(401, "authError"), BadToken(said("authError"))),
        (
            refusal(429, "rateLimitExceeded", retry_after="7"),
            Limited(said("rateLimitExceeded"), 7),
        ),
        (refusal(429, "other"), Limited(said("other"), None)),
        (
            refusal(403, "userRateLimitExceeded"),
            Limited(said("userRateLimitExceeded"), None),
        ),
        (
            refusal(403, "dailyLimitExceeded"),
            Limited(said("dailyLimitExceeded"), None, per_day=True),
        ),
        (
            refusal(
                429,
                "rateLimitExceeded",
                "User-rate limit exceeded.  Retry after 2026-11-30T12:10:00.196Z",
                date="Mon, 30 Nov 2026 12:00:00 GMT",
            ),
            Limited(
                "User-rate limit exceeded. Retry after 2026-11-30T12:10:00.196Z"
                " (rateLimitExceeded)",
                601,
            ),
        ),
        (refusal(409, "aborted"), Later(said("aborted"))),
        (refusal(500, "backendError"), Later(said("backendError"))),
        (refusal(503, "x"), Later(said("x"))),
        (HttpResponse(502, (), b"<html>"), Later("HTTP status 502")),
        (HttpResponse(302), Later("HTTP status 302")),
        (HttpResponse(204), Later("HTTP status 204")),
        (refusal(400, "badRequest"), Refused(said("badRequest"))),
        (refusal(413, "uploadTooLarge"), Refused(said("uploadTooLarge"))),
        (refusal(403, "strange"), Denied(said("strange"))),
        (
            refusal(400, "invalidArgument", "Invalid label: Label_9"),
            Denied(
                "Invalid label: Label_9 (invalidArgument); check the option gmaillabels",
                settings=True,
            ),
        ),
    ],
)
def test_what_a_refusal_means(response: HttpResponse, expected: object) -> None:
    assert answers.problem_in(response) == expected


def test_googles_newer_form_of_a_refusal_means_the_same() -> None:
    error = {
        "code": 403,
        "message": "Request had insufficient authentication scopes.",
        "errors": [{"reason": "insufficientPermissions"}],
        "status": "PERMISSION_DENIED",
        "details": [{"@type": "x", "reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT"}],
    }
    found = answers.problem_in(HttpResponse(403, (), json.dumps({"error": error}).encode()))
    assert isinstance(found, Denied)
    assert found.consent
    assert "gmail.insert" in found.words
    del error["errors"]
    assert answers.problem_in(HttpResponse(403, (), json.dumps({"error": error}).encode())) == found


STORED = HttpResponse(200, (), b'{"id": "19a", "threadId": "19a"}')


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (STORED, Stored("19a")),
        (HttpResponse(308), Incomplete(0)),
        (HttpResponse(308, (("range", "bytes=0-0"),)), Incomplete(1)),
        (HttpResponse(308, (("range", "0-99"),)), Incomplete(100)),
        (HttpResponse(308, (("range", "bytes=0-998"),)), Incomplete(999)),
        (HttpResponse(404), Gone()),
        (HttpResponse(410), Gone()),
    ],
)
def test_how_far_an_upload_is(response: HttpResponse, expected: object) -> None:
    assert answers.progress(response, SESSION) == expected


@pytest.mark.parametrize(
    "response",
    [
        HttpResponse(200, (), b""),
        HttpResponse(200, (), b'{"id": ""}'),
        HttpResponse(200, (), b'{"id": 7}'),
        HttpResponse(200, (), b"[]"),
        HttpResponse(308, (("range", "bytes=0-999"),)),
        HttpResponse(308, (("range", "bytes=0-99999"),)),
        HttpResponse(308, (("range", "bytes=5-9"),)),
        HttpResponse(308, (("range", "x"),)),
    ],
)
def test_what_is_not_clear_is_not_accepted(response: HttpResponse) -> None:
    assert isinstance(answers.progress(response, SESSION), Later)


@pytest.mark.parametrize(
    ("url", "good"),
    [
        (URL, True),
        ("https://www.googleapis.com/upload/x?upload_id=1", True),
        ("https://gmail.googleapis.com.example.org/x", False),
        ("https://example.org/x", False),
        ("https://evilgoogleapis.com/x", False),
        ("http://gmail.googleapis.com/x", False),
        ("http://127.0.0.1/x", False),
        ("https://joe@gmail.googleapis.com/x", False),
        ("https://gmail.googleapis.com/ x", False),
        ("", False),
        (URL + "x" * 2000, False),
    ],
)
def test_a_session_is_at_google_or_not_at_all(url: str, good: bool) -> None:
    response = HttpResponse(200, (("location", url),))
    answer = answers.begun(response, IMPORTER, 1000, DIGEST)
    assert answer == Began(Session(url, 1000, DIGEST)) if good else isinstance(answer, Later)
    kept = saved_session(Session(url, 1000, DIGEST).text, IMPORTER)
    assert kept == (Session(url, 1000, DIGEST) if good else None)


def test_a_session_elsewhere_is_right_for_an_api_elsewhere_only() -> None:
    importer = Importer("ann@example.org", "https://localhost:1234")
    assert importer.is_own("https://localhost:1234/upload?x")
    assert not importer.is_own("https://localhost:1235/upload?x")
    assert not importer.is_own(URL)


@given(st.text())
def test_anything_else_in_the_ledger_is_no_session(text: str) -> None:
    assert saved_session(text, IMPORTER) is None


def test_a_session_is_hidden() -> None:
    assert "upload_id" not in repr(SESSION)
    request = send_text(SESSION, 5)(TOKEN)
    assert "token" not in repr(request).replace("with_token", "")


def test_requests_are_those_of_the_reference() -> None:
    request = begin(IMPORTER, 1000, ["INBOX"], never_spam=True)(TOKEN)
    assert request.method == "POST"
    assert request.url == (
        "https://gmail.googleapis.com/upload/gmail/v1/users/ann%2Bx%40example.org/messages/import"
        "?uploadType=resumable&internalDateSource=dateHeader&neverMarkSpam=true"
    )
    assert json.loads(request.body) == {"labelIds": ["INBOX"]}
    fields = dict(request.fields)
    assert fields["X-Upload-Content-Length"] == "1000"
    assert fields["Authorization"] == "Bearer token"
    assert "Content-Range" not in dict(send_text(SESSION, 0)(TOKEN).fields)
    assert dict(send_text(SESSION, 5)(TOKEN).fields)["Content-Range"] == "bytes 5-999/1000"
    assert dict(ask(SESSION)(TOKEN).fields)["Content-Range"] == "bytes */1000"


def test_labels_and_messages_are_read() -> None:
    body = {"labels": [{"id": "Label_1", "name": "Old Mail"}, {"id": "x"}, 7]}
    found = answers.labels(HttpResponse(200, (), json.dumps(body).encode()))
    assert found == Found(names={"old mail": "Label_1"})
    body = {"messages": [{"id": "1"}, {"id": 2}, {}]}
    assert answers.found(HttpResponse(200, (), json.dumps(body).encode())) == Found(messages=("1",))
    assert answers.found(HttpResponse(200, (), b'{"sizeEstimate": 7}')) == Found(size=7)
    assert answers.found(refusal(403, "insufficientPermissions")) == Found()
    assert isinstance(answers.found(refusal(403, "rateLimitExceeded")), Limited)


def test_names_of_labels_and_their_ids() -> None:
    labels = ("INBOX", "CATEGORY_UPDATES", "Label_12", "Old Mail", "Inbox", "")
    assert names_in(labels) == ["Old Mail", "Inbox"]


@given(st.integers(100, 599), st.binary(max_size=200))
def test_any_answer_has_a_meaning(status: int, body: bytes) -> None:
    response = HttpResponse(status, (("range", "x"), ("location", "y")), body)
    answers.progress(response, SESSION)
    answers.begun(response, IMPORTER, 1, DIGEST)
    answers.labels(response)
    answers.found(response)
