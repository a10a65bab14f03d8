"""The stand-in for the Gmail API does what Google's reference says, and the faults asked for."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest
import trustme

from .corpus import simple
from .servers.certificates import Certificate
from .servers.gmail import LIMITS, Gmail
from .servers.gmail_uploads import CHUNK

SENDER = b"From: a@x\r\n"
TOKEN = "token-of-ann"
IMPORT = "/upload/gmail/v1/users/me/messages/import"
LINE_CUT = (ConnectionError, ssl.SSLError)
"""What a client sees, one or the other."""
BIG = simple() + b"x" * (2 * CHUNK)


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    value: Any

    @property
    def reason(self) -> str:
        return str(self.value["error"]["errors"][0]["reason"])


class Client:
    """Sends one request on each connection."""

    def __init__(self, gmail: Gmail, context: ssl.SSLContext) -> None:
        self._gmail = gmail
        self._context = context

    def send(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        token: str = TOKEN,
        **fields: str,
    ) -> Reply:
        """Send a request; names of fields have underscores in place of hyphens."""
        headers = {name.replace("_", "-"): value for name, value in fields.items()}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        connection = http.client.HTTPSConnection(
            "localhost", self._gmail.port, timeout=15, context=self._context
        )
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            text = response.read()
        finally:
            connection.close()
        return Reply(response.status, response.headers, json.loads(text or b"null"))

    def media(self, message: bytes, query: str = "", **fields: str) -> Reply:
        """Import by a simple upload."""
        about = {"Content_Type": "message/rfc822", **fields}
        return self.send("POST", f"{IMPORT}?uploadType=media{query}", message, **about)

    def begin(self, message: bytes, **metadata: list[str]) -> str:
        """Begin a resumable upload; return the path with the query of its URI."""
        reply = self.send(
            "POST",
            f"{IMPORT}?uploadType=resumable&internalDateSource=dateHeader",
            json.dumps(metadata).encode(),
            Content_Type="application/json; charset=UTF-8",
            X_Upload_Content_Type="message/rfc822",
            X_Upload_Content_Length=str(len(message)),
        )
        assert reply.status == 200
        parts = urlsplit(reply.headers["Location"])
        assert parts.netloc == f"localhost:{self._gmail.port}"
        return f"{parts.path}?{parts.query}"

    def put(self, session: str, body: bytes = b"", content_range: str = "") -> Reply:
        """Send octets of a resumable upload, or the question how far it is."""
        fields = {"Content_Range": content_range} if content_range else {}
        return self.send("PUT", session, body, token="", **fields)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def running_gmail(
    authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gmail]:
    folder = tmp_path_factory.mktemp("gmail")
    certificate = Certificate(folder / "chain", folder / "key")
    issued = authority.issue_cert("localhost")
    issued.cert_chain_pems[0].write_to_path(str(certificate.chain))
    issued.private_key_pem.write_to_path(str(certificate.key))
    gmail = Gmail(certificate)
    with gmail.running():
        yield gmail


@pytest.fixture
def gmail(running_gmail: Gmail) -> Gmail:
    running_gmail.clear()
    running_gmail.allow(TOKEN, "ann@example.org")
    return running_gmail


@pytest.fixture(scope="module")
def context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=authority.cert_pem.bytes().decode())
    return context


@pytest.fixture
def client(gmail: Gmail, context: ssl.SSLContext) -> Client:
    return Client(gmail, context)


def test_a_simple_upload_is_kept_octet_for_octet(gmail: Gmail, client: Client) -> None:
    message = SENDER + b"\r\n" + bytes(range(256)) + b"\r\n.\r\n--\nbare\rcr"
    reply = client.media(message, "&neverMarkSpam=true&processForCalendar=false")
    assert reply.status == 200
    [kept] = gmail.messages
    assert (kept.id, kept.user) == (reply.value["id"], "ann@example.org")
    assert (kept.octets, kept.labels) == (message, ())
    assert kept.query["neverMarkSpam"] == "true"


@pytest.mark.parametrize("senders", [b"", SENDER * 2, b"From: nobody\r\n"])
def test_only_an_insertion_takes_a_message_without_exactly_one_sender(
    gmail: Gmail, client: Client, senders: bytes
) -> None:
    message = senders + b"Subject: x\r\n\r\nFrom: the text\r\n"
    reply = client.media(message)
    assert (reply.status, reply.reason) == (400, "invalidArgument")
    about = {"Content_Type": "message/rfc822"}
    path = IMPORT.removesuffix("/import")
    assert client.send("POST", f"{path}?uploadType=media", message, **about).status == 200
    [kept] = gmail.messages
    assert (kept.octets, kept.inserted) == (message, True)
    # An insertion decides nothing about spam.
    refused = client.send("POST", f"{path}?uploadType=media&neverMarkSpam=true", message, **about)
    assert refused.status == 400


def test_the_same_message_twice_makes_two(gmail: Gmail, client: Client) -> None:
    first, second = client.media(simple()), client.media(simple())
    assert first.value["id"] != second.value["id"]
    assert [one.octets for one in gmail.messages] == [simple(), simple()]


def multipart(metadata: str, message: bytes, *, more: str = "") -> bytes:
    head = f"--b\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{metadata}\r\n"
    media = f"--b\r\nContent-Type: message/rfc822\r\n{more}\r\n"
    return head.encode() + media.encode() + message + b"\r\n--b--\r\n"


@pytest.mark.parametrize(
    "message", [simple(), SENDER + b"no end", SENDER + b"\r\n", SENDER + b"\r\n--c\r\n"]
)
def test_a_multipart_upload_has_labels(gmail: Gmail, client: Client, message: bytes) -> None:
    gmail.store.labels.add("Label_7")
    body = multipart('{"labelIds": ["INBOX", "UNREAD", "Label_7"]}', message)
    about = {"Content_Type": 'multipart/related; boundary="b"'}
    reply = client.send("POST", f"{IMPORT}?uploadType=multipart", body, **about)
    assert reply.value["labelIds"] == ["INBOX", "UNREAD", "Label_7"]
    assert gmail.messages[0].octets == message


def test_a_message_may_come_as_base64_in_json_or_in_a_part(gmail: Gmail, client: Client) -> None:
    raw = base64.urlsafe_b64encode(simple()).decode()
    body = json.dumps({"raw": raw, "labelIds": ["INBOX"]}).encode()
    path = "/gmail/v1/users/ann%40example.org/messages/import"
    assert client.send("POST", path, body, Content_Type="application/json").status == 200
    part = multipart("{}", base64.b64encode(simple()), more="Content-Transfer-Encoding: base64\r\n")
    about = {"Content_Type": "multipart/related; boundary=b"}
    assert client.send("POST", f"{IMPORT}?uploadType=multipart", part, **about).status == 200
    assert [one.octets for one in gmail.messages] == [simple(), simple()]


BAD = {
    "an unknown label": ("multipart", multipart('{"labelIds": ["Nowhere"]}', b"x"), ""),
    "no JSON": ("multipart", multipart("{", b"x"), ""),
    "no end of the parts": ("multipart", multipart("{}", b"x").replace(b"--b--", b""), ""),
    "an empty message": ("media", b"", "message/rfc822"),
    "another type": ("media", b"x", "text/plain"),
    "an unknown parameter": ("media&colour=red", b"x", "message/rfc822"),
    "an unknown value": ("media&internalDateSource=mine", b"x", "message/rfc822"),
    "an unknown kind of upload": ("quick", b"x", "message/rfc822"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_the_reference_does_not_allow_is_refused(
    gmail: Gmail, client: Client, name: str
) -> None:
    kind, body, content_type = BAD[name]
    about = {"Content_Type": content_type or "multipart/related; boundary=b"}
    reply = client.send("POST", f"{IMPORT}?uploadType={kind}", body, **about)
    assert reply.status == 400
    assert reply.value["error"]["code"] == 400
    assert gmail.messages == []


def test_a_resumable_upload_in_one_request(gmail: Gmail, client: Client) -> None:
    session = client.begin(simple(), labelIds=["STARRED"])
    reply = client.put(session, simple())
    assert (reply.status, reply.value["labelIds"]) == (200, ["STARRED"])
    assert gmail.messages[0].octets == simple()
    assert gmail.messages[0].query["internalDateSource"] == "dateHeader"


def test_a_resumable_upload_in_chunks(gmail: Gmail, client: Client) -> None:
    session = client.begin(BIG)
    total = len(BIG)
    assert "Range" not in client.put(session, b"", f"bytes */{total}").headers
    reply = client.put(session, BIG[:CHUNK], f"bytes 0-{CHUNK - 1}/{total}")
    assert (reply.status, reply.headers["Range"]) == (308, f"bytes=0-{CHUNK - 1}")
    gmail.store.range_unit = ""
    assert client.put(session, b"", "bytes */*").headers["Range"] == f"0-{CHUNK - 1}"
    reply = client.put(session, BIG[CHUNK:], f"bytes {CHUNK}-{total - 1}/{total}")
    assert reply.status == 200
    assert [one.octets for one in gmail.messages] == [BIG]


WRONG_RANGES = [
    (BIG[:CHUNK], f"bytes 1-{CHUNK}/{len(BIG)}"),
    (BIG[:1000], f"bytes 0-999/{len(BIG)}"),
    (BIG[:CHUNK], f"bytes 0-{CHUNK}/{len(BIG)}"),
    (BIG[:CHUNK], f"bytes 0-{CHUNK - 1}/{len(BIG) + 1}"),
    (BIG[:CHUNK], "octets 0-1/2"),
    (b"x", f"bytes */{len(BIG)}"),
]


@pytest.mark.parametrize(("body", "content_range"), WRONG_RANGES)
def test_a_wrong_range_is_refused_and_changes_nothing(
    client: Client, body: bytes, content_range: str
) -> None:
    session = client.begin(BIG)
    assert client.put(session, body, content_range).status == 400
    assert "Range" not in client.put(session, b"", "bytes */*").headers


def test_a_cut_upload_goes_on_where_it_was(gmail: Gmail, client: Client) -> None:
    session = client.begin(BIG)
    gmail.cut_after(100_000)
    with pytest.raises(LINE_CUT):
        client.put(session, BIG)
    total = len(BIG)
    reply = client.put(session, b"", f"bytes */{total}")
    assert (reply.status, reply.headers["Range"]) == (308, "bytes=0-99999")
    assert client.put(session, BIG[100_000:], f"bytes 100000-{total - 1}/{total}").status == 200
    assert [one.octets for one in gmail.messages] == [BIG]


def test_a_cut_simple_upload_leaves_nothing(gmail: Gmail, client: Client) -> None:
    gmail.cut_after(100_000)
    with pytest.raises(LINE_CUT):
        client.media(BIG)
    assert gmail.messages == []


def test_after_a_lost_answer_a_session_tells_the_message(gmail: Gmail, client: Client) -> None:
    session = client.begin(simple())
    gmail.lose_answer()
    with pytest.raises(LINE_CUT):
        client.put(session, simple())
    [kept] = gmail.messages
    reply = client.put(session, b"", f"bytes */{len(simple())}")
    assert (reply.status, reply.value["id"]) == (200, kept.id)
    assert client.put(session, simple()).value["id"] == kept.id
    assert len(gmail.messages) == 1


def test_after_a_lost_answer_a_simple_upload_has_taken_effect(gmail: Gmail, client: Client) -> None:
    gmail.pass_request()
    gmail.lose_answer()
    client.media(simple())
    with pytest.raises(LINE_CUT):
        client.media(simple())
    assert len(gmail.messages) == 2


@pytest.mark.parametrize("status", [404, 410])
def test_an_expired_session_is_gone(gmail: Gmail, client: Client, status: int) -> None:
    session = client.begin(simple())
    gmail.expire_sessions(status)
    assert client.put(session, simple()).status == status
    assert client.put(session, b"", "bytes */*").status == status
    assert gmail.messages == []
    assert client.put(client.begin(simple()), simple()).status == 200


def test_without_a_good_token_nothing_is_taken(gmail: Gmail, client: Client) -> None:
    for token, words in (("", 'Bearer realm="'), ("stale", 'error="invalid_token"')):
        reply = client.media(simple(), token=token)
        assert reply.status == 401
        assert words in reply.headers["WWW-Authenticate"]
    assert reply.reason == "authError"
    gmail.allow("narrow", "ann@example.org", "https://www.googleapis.com/auth/gmail.readonly")
    reply = client.media(simple(), token="narrow")
    assert (reply.status, reply.reason) == (403, "insufficientPermissions")
    path = f"{IMPORT}?uploadType=media".replace("/me/", "/bob%40example.org/")
    assert client.send("POST", path, simple(), Content_Type="message/rfc822").status == 403
    assert gmail.messages == []


@pytest.mark.parametrize("reason", LIMITS)
def test_a_refusal_has_its_reason_and_comes_as_often_as_asked(
    gmail: Gmail, client: Client, reason: str
) -> None:
    gmail.refuse(reason, times=2, retry_after="2")
    replies = [client.media(simple()) for _ in range(3)]
    assert [one.status for one in replies] == [LIMITS[reason][0]] * 2 + [200]
    assert (replies[0].reason, replies[0].headers["Retry-After"]) == (reason, "2")
    assert len(gmail.messages) == 1
    assert [one.path for one in gmail.requests] == [IMPORT] * 3


def test_the_same_reason_may_come_with_another_status(gmail: Gmail, client: Client) -> None:
    gmail.refuse("rateLimitExceeded", status=403)
    assert client.media(simple()).status == 403


def test_a_message_beyond_the_limit_is_refused_before_it_is_sent(
    gmail: Gmail, client: Client
) -> None:
    gmail.store.largest = 1000
    about = {"X_Upload_Content_Length": "1001", "Content_Type": "application/json"}
    reply = client.send("POST", f"{IMPORT}?uploadType=resumable", b"{}", **about)
    assert (reply.status, reply.reason) == (413, "uploadTooLarge")
    assert client.media(SENDER + b"x" * (1001 - len(SENDER))).status == 413
    assert client.media(SENDER + b"x" * (1000 - len(SENDER))).status == 200


def test_a_connection_carries_several_requests(gmail: Gmail, context: ssl.SSLContext) -> None:
    connection = http.client.HTTPSConnection("localhost", gmail.port, timeout=15, context=context)
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "message/rfc822"}
    for _ in range(3):
        connection.request("POST", f"{IMPORT}?uploadType=media", simple(), headers)
        assert connection.getresponse().read()
    connection.close()
    assert len(gmail.messages) == 3
