"""Why a login was refused, if the reply has no response code, and how long a server wants a rest.

A server that limits its clients says so in many ways. Exchange names the time ("Suggested Backoff
Time: 92415 milliseconds"), others give a response code only.
"""

from __future__ import annotations

import re

from ...protocols.record import Record

THROTTLED = re.compile(
    rb"too many|throttl|rate limit|limits? (?:exceeded|hit)|exceeded .*limit|bandwidth|simultaneous"
    rb"|maximum number|try again|temporar|unavailable|backoff",
    re.IGNORECASE,
)
"""Words used by servers that are overloaded, or that limit the client's rate."""
MAX_WORDS = 200
"""Octets of a reply that are shown."""
ABOUT_PASSWORDS = re.compile(
    rb"fail|invalid|wrong|incorrect|attempt|passw|credential", re.IGNORECASE
)


BACKOFF = re.compile(
    rb"back-?off (?:time|for)?:?\s*(\d{1,12})\s*(milliseconds|msecs?|ms|seconds|secs?|s)?\b"
    rb"|(?:retry|try again) (?:after|in) (\d{1,6}) (second|minute|hour)s?\b",
    re.IGNORECASE,
)
"""A time that a server names: Exchange Online in milliseconds, others in words."""
UNITS = {b"second": 1, b"minute": 60, b"hour": 3600}
HOUR = 3600.0
MAX_REST = 24 * HOUR
"""Seconds of the longest rest that is obeyed: no provider blocks an account for longer."""
RESTS = {
    b"OVERQUOTA": HOUR,
    b"THROTTLED": 300.0,
    b"LIMIT": 300.0,
    b"UNAVAILABLE": 60.0,
    b"INUSE": 60.0,
    b"IN-USE": 60.0,
    b"SYS/TEMP": 60.0,
}
"""Seconds of the rest after a response code that names no time (RFC 5530, section 3; RFC 2449,
section 8; RFC 3206). Gmail blocks an account that is over its limits for an hour or more."""
OVER_LIMIT = re.compile(rb"bandwidth|exceeded .*limit|limits? exceeded", re.IGNORECASE)


class RestWanted(Record):
    """A server wants a rest of so many seconds, for the reason in its ``words``.

    It is ``explicit`` if the server named the time: then nothing is sent meanwhile.
    """

    seconds: float
    words: str
    explicit: bool = False


def rest_wanted(text: bytes, code: bytes = b"", *, for_all: bool = False) -> RestWanted | None:
    """Return the rest that a negative reply asks for, or None.

    ``for_all`` means that the reply refuses the connection, the login or the mailbox; another one
    may concern a single message, and then only a time that the server names counts.
    """
    words = text[:MAX_WORDS].decode("utf-8", "replace")
    if seconds := named_seconds(text):
        return RestWanted(min(seconds, MAX_REST), words, explicit=True)
    code = code.upper() or code_in(text)
    if not for_all:
        return None
    if code in RESTS:
        return RestWanted(RESTS[code], words)
    if code in {b"", b"ALERT"} and is_throttled(text):
        return RestWanted(HOUR if OVER_LIMIT.search(text) else RESTS[b"UNAVAILABLE"], words)
    return None


def named_seconds(text: bytes) -> float:
    """Return the seconds that a text names, 0 if it names no time."""
    found = BACKOFF.search(text)
    if found is None:
        return 0.0
    if found[3]:
        return float(found[3]) * UNITS[found[4].lower()]
    # Without a unit the number is in milliseconds, as Exchange counts.
    in_seconds = (found[2] or b"ms").lower().startswith(b"s")
    return max(float(found[1]) / (1 if in_seconds else 1000), 1.0)


def code_in(text: bytes) -> bytes:
    """Return a response code that begins a text, in upper case, or b"".

    Some servers send it where none is expected, such as in a BYE or a reply of POP3.
    """
    found = re.match(rb"\s*\[([A-Za-z/-]{2,20})\]", text)
    return found[1].upper() if found else b""


def is_throttled(text: bytes) -> bool:
    """Whether a login was refused for other reasons than the password.

    Gmail: "Account exceeded command or bandwidth limits. (Failure)", Exchange: "Request is
    throttled." A text about failed attempts may be about the password, so it does not count.
    """
    text = text.removesuffix(b"(Failure)")
    return bool(THROTTLED.search(text)) and not ABOUT_PASSWORDS.search(text)
