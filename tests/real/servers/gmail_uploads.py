"""What the stand-in for the Gmail API keeps: messages, and uploads that take several requests.

Reference: "Upload media" of the Gmail API (simple, multipart and resumable uploads).
"""

from __future__ import annotations

import base64
import binascii
import itertools
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from email.message import Message as Headers
from email.parser import BytesHeaderParser
from http import HTTPStatus
from typing import Any, Final

LARGEST: Final = 150 * 1024 * 1024
"""The reference's limit for the octets of a message; older versions of it say 50 MB."""
CHUNK: Final = 256 * 1024
"""Each request of a resumable upload but the last has a multiple of so many octets."""
SYSTEM_LABELS: Final = frozenset(
    {
        *("INBOX", "UNREAD", "STARRED", "IMPORTANT", "SPAM", "TRASH", "SENT", "DRAFT"),
        *(f"CATEGORY_{name}" for name in ("PERSONAL", "SOCIAL", "PROMOTIONS", "UPDATES", "FORUMS")),
    }
)
_CONTENT_RANGE: Final = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")


@dataclass(frozen=True)
class Answer:
    """What goes back to the client."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def phrase(self) -> str:
        """The words after the status; 308 has others here than in HTTP."""
        return "Resume Incomplete" if self.status == 308 else HTTPStatus(self.status).phrase


def json_answer(
    status: int, value: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> Answer:
    """Return an answer with a JSON object."""
    about = {"Content-Type": "application/json; charset=UTF-8", **(headers or {})}
    return Answer(status, json.dumps(value).encode(), about)


class Refused(Exception):
    """The service refuses; the body has the form of the page "Resolve errors"."""

    def __init__(
        self,
        status: int,
        reason: str,
        words: str,
        domain: str = "global",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, reason)
        self.status = status
        one = {"domain": domain, "reason": reason, "message": words}
        if status == 401:
            one |= {"locationType": "header", "location": "Authorization"}
        error = {"code": status, "message": words, "errors": [one]}
        self._answer = json_answer(status, {"error": error}, headers)

    def answer(self) -> Answer:
        """Return what goes to the client."""
        return self._answer


def bad_request(words: str) -> Refused:
    """Return the refusal of a request that the reference does not allow."""
    return Refused(400, "badRequest", words)


@dataclass(frozen=True)
class Message:
    """One message that was imported or inserted. ``query`` has the parameters of its request."""

    id: str
    user: str
    octets: bytes = field(repr=False)
    labels: Sequence[str]
    query: Mapping[str, str]
    inserted: bool = False

    def answer(self) -> Answer:
        """Return the message resource."""
        about = {"id": self.id, "threadId": self.id, "labelIds": list(self.labels)}
        return json_answer(200, about)


@dataclass
class Session:
    """A resumable upload. ``total`` is None until the client has named it."""

    user: str
    labels: Sequence[str]
    query: Mapping[str, str]
    total: int | None
    inserted: bool = False
    octets: bytearray = field(default_factory=bytearray, repr=False)
    done: Message | None = None


class Store:
    """The messages of all users, and the sessions.

    ``largest`` limits a message. ``labels`` are the IDs of those of users, beside the system's, and
    ``names`` their names. ``range_unit``
    begins the Range field of a 308: the service sends "bytes=", the page has examples without.
    """

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.labels: set[str] = set()
        self.names: dict[str, str] = {}
        self.largest = LARGEST
        self.range_unit = "bytes="
        self._numbers = itertools.count(1)
        self._sessions: dict[str, Session] = {}
        self._expired: dict[str, int] = {}

    def add(
        self,
        user: str,
        octets: bytes,
        labels: Sequence[str],
        query: Mapping[str, str],
        inserted: bool = False,
    ) -> Message:
        """Keep one more message, be it the same as another or not. Raises Refused."""
        self.check_size(len(octets))
        if not octets:
            raise bad_request("RFC822 payload message string required")
        unknown = [one for one in labels if one not in SYSTEM_LABELS | self.labels]
        if unknown:
            raise Refused(400, "invalidArgument", f"Invalid label: {unknown[0]}")
        senders = BytesHeaderParser().parsebytes(octets).get_all("From", [])
        if not inserted and (len(senders) != 1 or "@" not in senders[0]):
            raise Refused(400, "invalidArgument", "Invalid From header")
        name = f"19a0{next(self._numbers):012x}"
        message = Message(name, user, octets, tuple(labels), query, inserted)
        self.messages.append(message)
        return message

    def list_labels(self) -> Sequence[Mapping[str, str]]:
        """Return all labels as the service lists them. A user's label has an ID of its own."""
        own = [{"id": one, "name": self.names.get(one, one)} for one in sorted(self.labels)]
        return [{"id": one, "name": one} for one in sorted(SYSTEM_LABELS)] + own

    def search(self, user: str, query: str) -> Sequence[Message]:
        """Return the messages of a user that a query finds; only one kind of query is known."""
        kind, _, wanted = query.partition(":")
        if kind != "rfc822msgid":
            raise bad_request("Unknown query")
        parser = BytesHeaderParser()
        named = (
            (one, parser.parsebytes(one.octets).get("Message-ID", "")) for one in self.messages
        )
        return [one for one, name in named if one.user == user and name.strip("<> ") == wanted]

    def check_size(self, octets: int) -> None:
        """Raise Refused if so many are too many."""
        if octets > self.largest:
            raise Refused(413, "uploadTooLarge", "Request entity too large")

    def begin(self, session: Session) -> str:
        """Keep a new session and return its ID."""
        name = f"AAD{next(self._numbers):06}"
        self._sessions[name] = session
        return name

    @property
    def sessions(self) -> Sequence[Session]:
        """All sessions that have not expired, oldest first."""
        return list(self._sessions.values())

    def session(self, name: str) -> Session:
        """Return a session by its ID. Raises Refused."""
        if name not in self._sessions:
            raise Refused(self._expired.get(name, 404), "notFound", "Not Found")
        return self._sessions[name]

    def expire(self, status: int) -> None:
        """Forget all sessions."""
        self._expired |= dict.fromkeys(self._sessions, status)
        self._sessions.clear()


def labels_in(metadata: bytes) -> tuple[Sequence[str], bytes | None]:
    """Return the labels in a message resource, and its ``raw`` octets. Raises Refused."""
    try:
        about: dict[str, Any] = json.loads(metadata or b"{}")
    except ValueError:
        raise Refused(400, "parseError", "Parse Error") from None
    if type(about) is not dict or not about.keys() <= {"labelIds", "raw", "threadId"}:
        raise bad_request("Invalid JSON payload received")
    try:
        raw = base64.urlsafe_b64decode(about["raw"]) if "raw" in about else None
    except (binascii.Error, TypeError):
        raise bad_request("Invalid value for ByteString") from None
    return about.get("labelIds", []), raw


def multipart_message(content_type: str, body: bytes) -> tuple[Sequence[str], bytes]:
    """Take a multipart/related body apart (RFC 2387): labels and message. Raises Refused."""
    headers = Headers()
    headers["Content-Type"] = content_type
    boundary = headers.get_boundary()
    if headers.get_content_type() != "multipart/related" or not boundary:
        raise Refused(400, "badContent", "Multipart must be multipart/related")
    mark = b"\r\n--" + boundary.encode()
    parts = (b"\r\n" + body).split(mark)
    if len(parts) != 4 or not parts[-1].startswith(b"--"):
        raise Refused(400, "badContent", "Missing end boundary or parts in multipart body")
    about, metadata = _part(parts[1])
    if about.get_content_type() != "application/json":
        raise Refused(400, "badContent", "The first part must be application/json")
    about, octets = _part(parts[2])
    if about.get_content_type() != "message/rfc822":
        raise Refused(400, "badContent", "Media type is not supported")
    if about.get("Content-Transfer-Encoding", "binary").lower() == "base64":
        octets = base64.b64decode(octets)
    return labels_in(metadata)[0], octets


def _part(part: bytes) -> tuple[Headers, bytes]:
    header, blank, content = part.partition(b"\r\n\r\n")
    if not blank or not header.startswith(b"\r\n"):
        raise Refused(400, "badContent", "Malformed multipart body")
    return BytesHeaderParser().parsebytes(header[2:] + blank), content


def begin_session(
    store: Store,
    user: str,
    query: Mapping[str, str],
    headers: Mapping[str, str],
    body: bytes,
    *,
    inserted: bool = False,
) -> str:
    """Begin a resumable upload and return its ID. Raises Refused."""
    if headers.get("x-upload-content-type", "message/rfc822") != "message/rfc822":
        raise Refused(400, "badContent", "Media type is not supported")
    announced = headers.get("x-upload-content-length")
    if announced is not None:
        if not announced.isdigit():
            raise bad_request("Invalid X-Upload-Content-Length")
        store.check_size(int(announced))
    total = None if announced is None else int(announced)
    return store.begin(Session(user, labels_in(body)[0], query, total, inserted))


def put_to_session(
    store: Store, session: Session, headers: Mapping[str, str], chunks: Iterable[bytes]
) -> Answer:
    """Take a request of a resumable upload: all, a chunk, the rest, or the question how far.

    What comes is kept at once, so that it counts if the connection is cut. Raises Refused.
    """
    length = int(headers.get("content-length", "0"))
    given = headers.get("content-range", f"bytes 0-{length - 1}/{length}")
    parsed = _CONTENT_RANGE.fullmatch(given)
    if parsed is None:
        raise bad_request("Invalid Content-Range")
    if parsed[3] != "*":
        if session.total not in {None, int(parsed[3])}:
            raise bad_request("Content-Range differs from the length that was announced")
        session.total = int(parsed[3])
        store.check_size(session.total)
    if parsed[1] is None:
        if length:
            raise bad_request("A question for the state has no content")
    elif session.done is None:
        _check_chunk(session, int(parsed[1]), int(parsed[2]), length)
        for chunk in chunks:
            session.octets += chunk
            store.check_size(len(session.octets))
    if session.done is None and session.total is not None and len(session.octets) == session.total:
        octets = bytes(session.octets)
        session.done = store.add(
            session.user, octets, session.labels, session.query, session.inserted
        )
    if session.done is not None:
        return session.done.answer()
    last = len(session.octets) - 1
    return Answer(308, headers={"Range": f"{store.range_unit}0-{last}"} if last >= 0 else {})


def _check_chunk(session: Session, first: int, last: int, length: int) -> None:
    if last - first + 1 != length:
        raise bad_request("Content-Range and Content-Length differ")
    if first != len(session.octets):
        raise bad_request(f"The upload goes on at octet {len(session.octets)}, not at {first}")
    if session.total is None or last + 1 < session.total:
        if length % CHUNK:
            raise bad_request(f"Each chunk but the last has a multiple of {CHUNK} octets")
    elif last + 1 > session.total:
        raise bad_request("Content-Range goes beyond the end")
