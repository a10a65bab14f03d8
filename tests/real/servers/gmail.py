"""A stand-in for users.messages.import and insert of the Gmail API, by Google's reference.

It listens on loopback, over TLS, in a thread for each connection, and keeps every message with its
labels. What the reference says of requests is checked here, so that a client that passes these
tests has sent what Google wants; ``Gmail`` has the controls for faults. What an upload in one or
several requests does is in gmail_uploads.py.

Reference: the pages of users.messages.import, "Upload media" and "Resolve errors" of the Gmail API.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Generator, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from .certificates import Certificate
from .gmail_uploads import (
    Answer,
    Message,
    Refused,
    Store,
    bad_request,
    begin_session,
    json_answer,
    labels_in,
    multipart_message,
    put_to_session,
)

UPLOAD: Final = "/upload/gmail/v1/users/"
PLAIN: Final = "/gmail/v1/users/"
IMPORT: Final = "/messages/import"
INSERT: Final = "/messages"
SCOPES: Final = frozenset(
    {
        "https://mail.google.com/",
        "https://www.googleapis.com/auth/gmail.modify",
        "https://www.googleapis.com/auth/gmail.insert",
    }
)
"""One of these is needed for an import."""
WIDE: Final = frozenset(
    {"https://mail.google.com/", "https://www.googleapis.com/auth/gmail.modify"}
)
SEARCHING: Final = WIDE | {"https://www.googleapis.com/auth/gmail.readonly"}
LISTING: Final = SEARCHING | {"https://www.googleapis.com/auth/gmail.labels"}
"""Scopes for a search, and for the list of labels."""
CHOICES: Final = {
    "uploadType": {"media", "multipart", "resumable"},
    "internalDateSource": {"receivedTime", "dateHeader"},
    "neverMarkSpam": {"true", "false"},
    "processForCalendar": {"true", "false"},
    "deleted": {"true", "false"},
    "alt": {"json"},
    "prettyPrint": {"true", "false"},
    "fields": None,
    "upload_id": None,
}
"""The query parameters that an import may have, and their values."""
INSERT_CHOICES: Final = {
    name: values
    for name, values in CHOICES.items()
    if name not in {"neverMarkSpam", "processForCalendar"}
}
"""Those of an insertion."""
LOOK_UPS: Final = {
    "q": None,
    "includeSpamTrash": {"true", "false"},
    "format": {"minimal", "metadata", "full", "raw"},
    "alt": {"json"},
    "fields": None,
}
"""The same of the methods that look something up."""
LIMITS: Final = {
    "rateLimitExceeded": (429, "Rate Limit Exceeded"),
    "userRateLimitExceeded": (403, "User Rate Limit Exceeded"),
    "dailyLimitExceeded": (403, "Daily Limit Exceeded"),
    "insufficientPermissions": (403, "Insufficient Permission"),
    "domainPolicy": (403, "The domain administrators have disabled Gmail apps."),
    "failedPrecondition": (400, "Mail service not enabled"),
    "quotaExceeded": (403, "The user has exceeded the quota"),
    "backendError": (503, "Backend Error"),
}
"""Refusals by their reason: the usual status and text."""


class Cut(Exception):
    """The connection ends here: a fault that was asked for, or the client has gone."""


@dataclass(frozen=True)
class Fault:
    """What becomes of one request: an answer in place of the service's own, or a cut line.

    ``cut_after`` counts octets of the request's body that the service still keeps; ``lost`` lets
    the request take effect and closes the connection in place of the answer.
    """

    refused: Refused | None = None
    cut_after: int | None = None
    lost: bool = False


@dataclass(frozen=True)
class Request:
    """One request as it came, without its body and its token."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str] = field(repr=False)


class Service:
    """The service: which tokens are good, the messages it took, and the faults to come.

    ``url`` is what stands in place of https://gmail.googleapis.com. ``tokens`` holds each good
    token with the address of its user and the scopes it was given for.
    """

    url = "https://gmail.googleapis.com"

    def __init__(self) -> None:
        self.tokens: dict[str, tuple[str, frozenset[str]]] = {}
        self.requests: list[Request] = []
        self.store = Store()
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    @property
    def messages(self) -> Sequence[Message]:
        """What was imported, oldest first."""
        return self.store.messages

    def clear(self) -> None:
        """Forget messages, sessions, requests, faults and tokens."""
        self.tokens.clear()
        self.requests.clear()
        self._faults.clear()
        self.store = Store()

    def allow(self, token: str, user: str, *scopes: str) -> None:
        """Take a token for a user; without ``scopes`` it is one for imports."""
        granted = scopes or ("https://www.googleapis.com/auth/gmail.insert",)
        self.tokens[token] = (user, frozenset(granted))

    def refuse(
        self, reason: str, *, times: int = 1, status: int = 0, retry_after: str = ""
    ) -> None:
        """Let the next requests be refused for one of the reasons in LIMITS."""
        usual, words = LIMITS[reason]
        headers = {"Retry-After": retry_after} if retry_after else {}
        refused = Refused(status or usual, reason, words, "usageLimits", headers)
        self._faults += [Fault(refused) for _ in range(times)]

    def refuse_words(self, status: int, reason: str, words: str) -> None:
        """Let the next request be refused with any reason and text."""
        self._faults.append(Fault(Refused(status, reason, words)))

    def cut_after(self, octets: int) -> None:
        """Close the connection of the next request when so much of its body has come."""
        self._faults.append(Fault(cut_after=octets))

    def lose_answer(self) -> None:
        """Obey the next request and close the connection without an answer."""
        self._faults.append(Fault(lost=True))

    def pass_request(self) -> None:
        """Let one request through, before the fault that is asked for next."""
        self._faults.append(Fault())

    def stop_faults(self) -> None:
        """Do as usual from now on."""
        self._faults.clear()

    def expire_sessions(self, status: int = 404) -> None:
        """Forget all uploads that are under way; asked for, they are answered with ``status``."""
        self.store.expire(status)

    def take_fault(self, request: Request) -> Fault:
        """Note a request, and return what is to become of it."""
        with self._lock:
            self.requests.append(request)
            return self._faults.pop(0) if self._faults else Fault()

    def answer(self, request: Request, target: str, body: Iterator[bytes]) -> Answer:
        """Do what a request wants. ``target`` is its path with its query. Raises Refused."""
        _check_query(request)
        # A session's URI is a secret of its own; the service wants no token with it.
        if request.method == "PUT" and request.path.startswith(UPLOAD):
            session = self.store.session(request.query.get("upload_id", ""))
            return put_to_session(self.store, session, request.headers, body)
        if request.method == "GET":
            return self._look_up(request)
        if request.method != "POST":
            raise Refused(405, "httpMethodNotAllowed", "Method Not Allowed")
        user = self.user_of(request, SCOPES)
        uploading = _check_target(request.path, user)
        inserted = request.path.endswith(INSERT)
        octets = b"".join(body)
        content_type = request.headers.get("content-type", "")
        if not uploading:
            labels, raw = labels_in(octets)
            return self.store.add(user, raw or b"", labels, request.query, inserted).answer()
        match request.query.get("uploadType"):
            case "resumable":
                about = (request.query, request.headers, octets)
                name = begin_session(self.store, user, *about, inserted=inserted)
                return Answer(200, headers={"Location": f"{self.url}{target}&upload_id={name}"})
            case "multipart":
                labels, message = multipart_message(content_type, octets)
                return self.store.add(user, message, labels, request.query, inserted).answer()
            case "media" if content_type == "message/rfc822":
                return self.store.add(user, octets, (), request.query, inserted).answer()
            case "media":
                raise Refused(400, "badContent", "Media type is not supported")
            case _:
                raise bad_request("uploadType is missing")

    def _look_up(self, request: Request) -> Answer:
        """Answer users.labels.list, users.messages.list and users.messages.get. Raises Refused."""
        whose, _, rest = request.path.removeprefix(PLAIN).partition("/")
        user = self.user_of(request, LISTING if rest == "labels" else SEARCHING)
        if unquote(whose) not in {"me", user}:
            raise Refused(403, "forbidden", f"Delegation denied for {user}")
        kind, _, name = rest.partition("/")
        if rest == "labels":
            return json_answer(200, {"labels": self.store.list_labels()})
        if rest == "messages":
            found = self.store.search(user, request.query.get("q", ""))
            # Without any result the list is missing, not empty.
            listed = [{"id": one.id, "threadId": one.id} for one in found]
            return json_answer(200, {"messages": listed} if listed else {"resultSizeEstimate": 0})
        for one in self.messages:
            if kind == "messages" and (one.user, one.id) == (user, name):
                return json_answer(200, {"id": one.id, "sizeEstimate": len(one.octets)})
        raise Refused(404, "notFound", "Requested entity was not found.")

    def user_of(self, request: Request, wanted: Set[str]) -> str:
        """Return whose token a request carries, if it has a scope that it needs. Raises Refused."""
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or token not in self.tokens:
            error = ', error="invalid_token"' if token else ""
            challenge = f'Bearer realm="https://accounts.google.com/"{error}'
            headers = {"WWW-Authenticate": challenge}
            reason = "authError" if token else "required"
            raise Refused(401, reason, "Invalid Credentials", "global", headers)
        user, scopes = self.tokens[token]
        if not scopes & wanted:
            status, words = LIMITS["insufficientPermissions"]
            headers = {"WWW-Authenticate": 'Bearer error="insufficient_scope"'}
            raise Refused(status, "insufficientPermissions", words, "global", headers)
        return user


class Gmail(Service):
    """The service on a port of loopback, over TLS."""

    def __init__(self, certificate: Certificate) -> None:
        super().__init__()
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate.chain, certificate.key)
        self.port = 0

    @contextmanager
    def running(self) -> Generator[None]:
        """Listen until the block ends."""
        server = _Server(self, self._context)
        self.port = server.server_port
        self.url = f"https://localhost:{self.port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, gmail: Gmail, context: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.gmail = gmail
        self.context = context

    def finish_request(self, request: object, client_address: object) -> None:
        # The handshake is done in the connection's own thread, so that no client waits for another.
        with suppress(OSError):
            tls = self.context.wrap_socket(request, server_side=True)  # type: ignore[arg-type]
            with tls:
                _Handler(tls, client_address, self)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30
    _left = 0

    def log_message(self, format: str, *args: object) -> None:
        del format, args

    def do_POST(self) -> None:
        self._serve()

    def do_PUT(self) -> None:
        self._serve()

    def do_GET(self) -> None:
        self._serve()

    def _serve(self) -> None:
        assert isinstance(self.server, _Server)
        gmail = self.server.gmail
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        request = Request(self.command, parts.path, query, headers)
        fault = gmail.take_fault(request)
        self._left = int(headers.get("content-length", "0"))
        try:
            answer = self._answer(gmail, request, fault)
        except Refused as refused:
            answer = refused.answer()
        except Cut:
            self.close_connection = True
            return
        if fault.lost:
            self.close_connection = True
            return
        self.send_response_only(answer.status, answer.phrase)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)
        # What a refusal left unread would reset the connection, or be taken for the next request.
        while self._left > 0 and (rest := self.rfile.read1(min(self._left, 65536))):
            self._left -= len(rest)

    def _answer(self, gmail: Gmail, request: Request, fault: Fault) -> Answer:
        if fault.refused is not None:
            raise fault.refused
        return gmail.answer(request, self.path, self._body(fault))

    def _body(self, fault: Fault) -> Iterator[bytes]:
        """Yield the octets of the body as they come. Raises Cut."""
        until = self._left if fault.cut_after is None else min(self._left, fault.cut_after)
        if self.headers.get("Transfer-Encoding"):
            raise Refused(411, "lengthRequired", "Length Required")
        while until > 0:
            chunk = self.rfile.read1(min(until, 65536))
            if not chunk:
                raise Cut
            until -= len(chunk)
            self._left -= len(chunk)
            yield chunk
        if fault.cut_after is not None:
            raise Cut


def _check_target(path: str, user: str) -> bool:
    """Return whether a path is that for uploads. Raises Refused unless it is one of ``user``."""
    uploading = path.startswith(UPLOAD)
    whose = path.removeprefix(UPLOAD if uploading else PLAIN).split("/")[0]
    if path not in {
        f"{start}{whose}{end}" for start in (UPLOAD, PLAIN) for end in (IMPORT, INSERT)
    }:
        raise Refused(404, "notFound", "Not Found")
    if unquote(whose) not in {"me", user}:
        raise Refused(403, "forbidden", f"Delegation denied for {user}")
    return uploading


def _check_query(request: Request) -> None:
    """Raise Refused for a parameter that a method does not have, or a value that it has not."""
    known = INSERT_CHOICES if request.path.endswith(INSERT) else CHOICES
    if request.method == "GET":
        known = LOOK_UPS
    for name, value in request.query.items():
        if name not in known:
            raise bad_request(f"Unknown name {name!r}: cannot bind query parameter")
        choices = known[name]
        if choices is not None and value not in choices:
            raise bad_request(f"Invalid value for {name}: {value!r}")
