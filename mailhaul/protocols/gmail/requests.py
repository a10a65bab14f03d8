"""The requests of an import into Gmail by its API, as values.

Reference: users.messages.import, users.messages.insert, users.labels.list, users.messages.list and
"Upload media" of the Gmail API. A message is sent by a resumable upload: one request begins it and
returns the address of a session, the next ones send the text there, or ask how much has arrived.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final
from urllib.parse import quote, urlencode

from ..errors import LocalProtocolError
from ..http import Fields, HttpRequest, parse_url
from ..oauth.encoding import compact_json
from ..record import Record
from ..secret import Secret

API: Final = "https://gmail.googleapis.com"
MAX_MESSAGE: Final = 150 * 1024 * 1024
"""Octets of the largest message that an import takes."""
MAX_SESSION: Final = 2000
"""Characters of the address of a session."""
LABEL_ID: Final = re.compile(
    r"INBOX|UNREAD|STARRED|IMPORTANT|SPAM|TRASH|SENT|CATEGORY_[A-Z]+|Label_[0-9]+"
)
"""Labels whose names are their IDs, and IDs that Gmail has made."""
_GOOGLE: Final = ".googleapis.com"
_SAVED: Final = re.compile(r"(\d{1,12}) ([0-9a-f]{64}) (\S+)")
_JSON: Final = ("Content-Type", "application/json; charset=UTF-8")


def names_in(labels: Iterable[str]) -> list[str]:
    """Return the labels that are names, for which an ID has to be looked up."""
    return [label for label in labels if label and not LABEL_ID.fullmatch(label)]


class Importer(Record):
    """Where imports go. ``user`` is the address of a mailbox, ``api`` the beginning of all URLs."""

    user: str
    api: str = API

    def url(self, path: str, *, upload: bool = False, **query: str) -> str:
        """Return the address of a resource of the user."""
        beginning = f"{self.api}{'/upload' if upload else ''}/gmail/v1/users/"
        more = f"?{urlencode(query)}" if query else ""
        return f"{beginning}{quote(self.user, safe='')}/{path}{more}"

    def is_own(self, url: str) -> bool:
        """Whether a session may be at this address: nowhere else a token or a text may go."""
        if len(url) > MAX_SESSION:
            return False
        try:
            found, own = parse_url(url), parse_url(self.api)
        except LocalProtocolError:
            return False
        if (found.scheme, found.authority) == (own.scheme, own.authority):
            return True
        hosts = found.host, own.host
        return found.scheme == "https" and all(host.endswith(_GOOGLE) for host in hosts)


class Session(Record):
    """An upload that has begun. ``size`` and ``digest`` tell whose text may be sent to it."""

    url: str
    size: int
    digest: str
    _hidden = frozenset({"url"})

    @property
    def text(self) -> str:
        """The session as it is kept for a later run."""
        return f"{self.size} {self.digest} {self.url}"


def saved_session(text: str, importer: Importer) -> Session | None:
    """Return the session that was kept as ``text``; None if it is none, or not Gmail's."""
    found = _SAVED.fullmatch(text)
    if found is None or not importer.is_own(found[3]):
        return None
    return Session(found[3], int(found[1]), found[2])


MakeRequest = Callable[[Secret], HttpRequest]
"""Takes an access token; returns a request with it."""


def begin(
    importer: Importer,
    size: int,
    labels: Sequence[str],
    *,
    never_spam: bool = False,
    as_it_is: bool = False,
) -> MakeRequest:
    """Begin the upload of a message of ``size`` octets. ``labels`` are IDs of labels.

    The message gets the date of its Date field, not that of the upload. ``as_it_is`` is for one
    that Gmail would refuse to import: then it is inserted, as by APPEND, and Gmail decides nothing
    about it.
    """
    query = {"uploadType": "resumable", "internalDateSource": "dateHeader"}
    if never_spam and not as_it_is:
        query["neverMarkSpam"] = "true"
    fields = (
        _JSON,
        ("X-Upload-Content-Type", "message/rfc822"),
        ("X-Upload-Content-Length", str(size)),
    )
    url = importer.url("messages" if as_it_is else "messages/import", upload=True, **query)
    body = compact_json({"labelIds": list(labels)})
    return lambda token: with_token("POST", url, token, fields, body)


def send_text(session: Session, offset: int) -> MakeRequest:
    """Send the text from ``offset`` to its end, which takes the place of the body."""
    fields: Fields = (("Content-Type", "message/rfc822"),)
    if offset:
        about = f"bytes {offset}-{session.size - 1}/{session.size}"
        fields = (*fields, ("Content-Range", about))
    return lambda token: with_token("PUT", session.url, token, fields)


def ask(session: Session) -> MakeRequest:
    """Ask how much of the text has arrived. This changes nothing."""
    fields = (("Content-Range", f"bytes */{session.size}"),)
    return lambda token: with_token("PUT", session.url, token, fields)


def list_labels(importer: Importer) -> MakeRequest:
    """Ask for the names of all labels. The token needs the scope ``gmail.labels``, or more."""
    url = importer.url("labels", fields="labels(id,name)")
    return lambda token: with_token("GET", url, token)


def search(importer: Importer, message_id: str) -> MakeRequest:
    """Search for a Message-ID. The token needs the scope ``gmail.readonly``, or a wider one."""
    wanted = f"rfc822msgid:{message_id}"
    url = importer.url("messages", q=wanted, includeSpamTrash="true")
    return lambda token: with_token("GET", url, token)


def ask_size(importer: Importer, message: str) -> MakeRequest:
    """Ask for the size of a message, by its ID."""
    url = importer.url(f"messages/{quote(message, safe='')}", format="minimal")
    return lambda token: with_token("GET", url, token)


def with_token(
    method: str, url: str, token: Secret, fields: Fields = (), body: bytes = b""
) -> HttpRequest:
    """Return a request with an access token (RFC 6750, section 2.1)."""
    bearer = f"Bearer {token.reveal().decode('latin-1')}"
    return HttpRequest(method, url, (*fields, ("Authorization", bearer)), body, (token,))
