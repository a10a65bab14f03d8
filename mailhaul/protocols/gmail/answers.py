"""What the answers of the Gmail API mean.

Reference: "Upload media" and "Resolve errors" of the Gmail API. The reason in the body of a refusal
decides, since one status stands for many causes: with 403 a quota may be used up, a permission may
be missing, or the API may be switched off.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final, cast

from ..http import HttpResponse, seconds_of
from ..message.received_date import MONTHS
from ..oauth.encoding import json_object, plain_words, text_of
from ..record import Record
from .requests import Importer, Session

SCOPE: Final = "https://www.googleapis.com/auth/gmail.insert"
PER_DAY: Final = frozenset({"dailyLimitExceeded", "dailyLimitExceededUnreg", "quotaExceeded"})
RATE: Final = PER_DAY | {
    "rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED", "RESOURCE_EXHAUSTED",
}  # fmt: skip
"""Reasons for a refusal that passes with time."""
ADVICE: Final = {
    "insufficientPermissions": f"the consent does not include {SCOPE}: sign in again and allow it",
    "accessNotConfigured": (
        'enable the "Gmail API" in the Google project of oauthclient (APIs & Services, Library)'
    ),
    "domainPolicy": "an administrator of the domain must allow this application",
    "failedPrecondition": "this address has no Gmail mailbox, or Gmail is switched off for it",
    "forbidden": "the token is another user's: sign in again with the address of the option gmail",
}
"""What helps against a refusal that has nothing to do with the message."""
ALIASES: Final = {
    "ACCESS_TOKEN_SCOPE_INSUFFICIENT": "insufficientPermissions",
    "SERVICE_DISABLED": "accessNotConfigured",
}
"""Reasons in Google's newer form."""
_RANGE: Final = re.compile(r"(?:bytes=)?0-(\d{1,12})")
_RETRY_AT: Final = re.compile(r"Retry after (\d{4})-(\d\d)-(\d\d)T(\d\d:\d\d:\d\d)", re.IGNORECASE)
_LATER: Final = frozenset({408, 409, 425, 499})
_OF_ANYBODY: Final = frozenset({402, 403, 404, 405, 406, 407, 410, 421, 451})
"""Statuses that proxies and firewalls give too, with a page of their own. Google gives a reason."""
_ABOUT_FROM: Final = re.compile(r"\bfrom\b.{0,40}\b(header|field|address)|\bfrom:", re.IGNORECASE)


class Began(Record):
    """The upload has begun."""

    session: Session


class Stored(Record):
    """The message is in Gmail."""

    id: str


class Incomplete(Record):
    """So many octets of the text have arrived; the upload goes on there."""

    received: int


class Gone(Record):
    """The session is not known: it has expired, and may have stored the message before."""


class Found(Record):
    """What was asked for: names of labels with their IDs, or the IDs of messages."""

    names: Mapping[str, str] = {}
    messages: tuple[str, ...] = ()
    size: int = -1


class Refused(Record):
    """The message, or what was said about it, is not accepted."""

    words: str

    @property
    def is_about_from(self) -> bool:
        """Whether the From field is the reason: an import needs exactly one, with an address."""
        return _ABOUT_FROM.search(self.words) is not None


class BadToken(Record):
    """The token is not valid, or no longer."""

    words: str


class Denied(Record):
    """This account cannot import.

    ``consent`` is true if signing in again helps, and ``settings`` if an option is wrong.
    """

    words: str
    consent: bool = False
    settings: bool = False


class Limited(Record):
    """Too many requests. ``seconds`` is how long to wait, if Gmail says so."""

    words: str
    seconds: int | None
    per_day: bool = False


class Later(Record):
    """No result, but the same request may succeed later."""

    words: str


Problem = Refused | BadToken | Denied | Limited | Later


def begun(response: HttpResponse, importer: Importer, size: int, digest: str) -> Began | Problem:
    """Return what the answer to ``begin`` means."""
    if response.status != 200:
        return problem_in(response)
    url = response.field("location")
    if not importer.is_own(url):
        return Later("Gmail began an upload, but its address is missing or not one of Google's")
    return Began(Session(url, size, digest))


def progress(response: HttpResponse, session: Session) -> Stored | Incomplete | Gone | Problem:
    """Return what the answer to ``send_text`` or ``ask`` means."""
    match response.status:
        case 200 | 201:
            message = text_of(json_object(response.body) or {}, "id")
            # A success without a message is not one.
            return Stored(message) if message else Later("Gmail says OK without a message ID")
        case 308:
            return incomplete(response.field("range"), session)
        case 404 | 410:
            return Gone()
        case _:
            return problem_in(response)


def incomplete(told: str, session: Session) -> Incomplete | Later:
    """Return how many octets have arrived; no Range field means none."""
    if not told:
        return Incomplete(0)
    found = _RANGE.fullmatch(told.strip())
    received = int(found[1]) + 1 if found else session.size
    # When all of it has arrived, only a success may follow.
    return Incomplete(received) if received < session.size else Later("Gmail is not done yet")


def labels(response: HttpResponse) -> Found | Problem:
    """Return what the answer to ``list_labels`` means."""
    document = json_object(response.body)
    if response.status != 200 or document is None:
        return problem_in(response)
    pairs = ((text_of(one, "name"), text_of(one, "id")) for one in objects(document, "labels"))
    return Found(names={name.lower(): label for name, label in pairs if name and label})


def found(response: HttpResponse) -> Found | Problem:
    """Return what the answer to ``search`` or ``ask_size`` means.

    A token that may not search finds nothing.
    """
    if response.status in {403, 404} and isinstance(problem_in(response), Denied):
        return Found()
    document = json_object(response.body)
    if response.status != 200 or document is None:
        return problem_in(response)
    ids = tuple(text_of(one, "id") for one in objects(document, "messages"))
    size = document.get("sizeEstimate")
    return Found(messages=tuple(filter(None, ids)), size=size if isinstance(size, int) else -1)


def objects(document: Mapping[str, object], name: str) -> Iterable[Mapping[str, object]]:
    """Yield the objects of a list in a JSON object."""
    value = document.get(name)
    for one in cast("list[object]", value) if isinstance(value, list) else ():
        if isinstance(one, dict):
            yield cast("dict[str, object]", one)


def seconds_to_wait(response: HttpResponse, said: str) -> int | None:
    """Return how long to wait: Retry-After, or until the time that Gmail names in its words."""
    named = _RETRY_AT.search(said)
    if response.retry_after is not None or named is None or response.date is None:
        return response.retry_after
    year, month, day, time = named.groups()
    if not 1 <= int(month) <= 12:
        return None
    until = seconds_of(f"Mon, {day} {MONTHS[int(month) - 1].decode()} {year} {time} GMT")
    # The fraction of a second is cut off.
    return None if until is None else max(0, until + 1 - response.date)


def problem_in(response: HttpResponse) -> Problem:
    """Return what an answer means that is not a success."""
    reason, said = reason_of(response)
    status = response.status
    words = f"{said} ({reason})" if reason and said else said or reason or f"HTTP status {status}"
    if status == 401:
        return BadToken(words)
    if status == 429 or (status == 403 and reason in RATE):
        return Limited(words, seconds_to_wait(response, said), reason in PER_DAY)
    if status in _LATER or status >= 500 or (status in _OF_ANYBODY and not (reason or said)):
        return Later(words)
    if status == 400 and "label" in said.lower():
        return Denied(f"{words}; check the option gmaillabels", settings=True)
    if status in {403, 404} or reason == "failedPrecondition":
        advice = ADVICE.get(reason, "")
        consent = reason in {"insufficientPermissions", "forbidden"}
        return Denied(f"{words}; {advice}" if advice else words, consent)
    return Refused(words) if 400 <= status < 500 else Later(words)


def reason_of(response: HttpResponse) -> tuple[str, str]:
    """Return the reason in the body of a refusal, and Google's words; "" for what is missing."""
    error = (json_object(response.body) or {}).get("error")
    if not isinstance(error, dict):
        return "", ""
    document = cast("dict[str, object]", error)
    listed = [*objects(document, "errors"), *objects(document, "details")]
    reasons = [reason for one in listed if (reason := text_of(one, "reason"))]
    known = next((one for one in reasons if one in ALIASES), reasons[0] if reasons else "")
    reason = ALIASES.get(known, known) or text_of(document, "status")
    return plain_words(reason), plain_words(text_of(document, "message"))
