"""Build the messages that tell a user that no mail comes from an account, and that it comes again.

They are delivered to the same sink as the user's mail (RFC 3834, section 5).
"""

from __future__ import annotations

from ..record import Record
from .bounce import BounceContext, lines, quoted
from .notice import notice_header


class Trouble(Record):
    """What failed. ``account`` is USER@SERVER or the name of an entry.

    ``failures`` counts the failed polls in a row; ``since`` is the time of the first of them, for
    people. ``code`` is the name of the exit code, and ``reason`` the last error, without secrets.
    ``login`` is true if the server refuses the login, ``token`` if there is no token to log in
    with. ``again`` says when it is tried again.
    """

    account: str
    code: str
    failures: int
    since: str
    reason: str
    login: bool = False
    token: bool = False
    again: str = "at longer intervals"


def failure_notice(context: BounceContext, recipient: bytes, trouble: Trouble) -> bytes:
    """Return the whole message about polls that fail, with CRLF line ends."""
    whose = text_of(trouble.account)
    subject = b"mailhaul authentication failed on %b" % whose
    if not (trouble.login or trouble.token):
        subject = b"mailhaul cannot fetch mail from %b (%b)" % (whose, text_of(trouble.code))
    header = notice_header(context, recipient, subject)
    body = body_about_polls(trouble, whose)
    if trouble.token:
        body = body_about_token(trouble, whose)
    elif trouble.login:
        body = body_about_login(trouble, whose)
    return lines(*header, *body)


def body_about_polls(trouble: Trouble, whose: bytes) -> tuple[bytes, ...]:
    """Return the lines about polls that fail for any other reason than the login."""
    return (
        b"No mail comes from %b. %b" % (whose, count_of(trouble)),
        b"",
        text_of(trouble.reason) or text_of(trouble.code),
        b"",
        b"This is tried again, %b. Another message follows when" % text_of(trouble.again),
        b"it works.",
    )


def body_about_token(trouble: Trouble, whose: bytes) -> tuple[bytes, ...]:
    """Return the lines about a missing token."""
    return (
        b"No mail comes from %b, because there is no token to log in with:" % whose,
        b"",
        text_of(trouble.reason),
        b"",
        count_of(trouble),
        b"This is tried again, %b, and at once after" % text_of(trouble.again),
        b'"mailhaul login". Another message follows when the login is accepted.',
    )


def body_about_login(trouble: Trouble, whose: bytes) -> tuple[bytes, ...]:
    """Return the lines about a login that the server refuses."""
    return (
        b"The server refuses the login to %b, so no mail comes from there." % whose,
        count_of(trouble),
        b"",
        text_of(trouble.reason),
        b"",
        b"Either the password is wrong or has expired, or the provider requires another login",
        b"method, or the server has a temporary problem that it reports in this way.",
        b"",
        b"The login is tried again, %b. After you correct the password in" % text_of(trouble.again),
        b'the rc file, "mailhaul poll" tries it at once. Another message follows when the login is',
        b"accepted.",
    )


def count_of(trouble: Trouble) -> bytes:
    """Return the sentence about the number of failed polls."""
    polls = "The last poll" if trouble.failures == 1 else f"The last {trouble.failures} polls"
    verb = "has" if trouble.failures == 1 else "have"
    return text_of(f"{polls} {verb} failed, since {trouble.since}.")


def recovery_notice(context: BounceContext, recipient: bytes, trouble: Trouble) -> bytes:
    """Return the whole message about polls that succeed again, with CRLF line ends."""
    whose = text_of(trouble.account)
    if trouble.login or trouble.token:
        return lines(
            *notice_header(context, recipient, b"mailhaul authentication OK on %b" % whose),
            b"The login to %b is accepted again, and mail is fetched." % whose,
        )
    return lines(
        *notice_header(context, recipient, b"mailhaul fetches mail from %b again" % whose),
        b"Mail is fetched from %b again. You were told on %b that this failed (%b)."
        % (whose, text_of(trouble.since), text_of(trouble.code)),
    )


def text_of(text: str) -> bytes:
    """Return text from anywhere as printable ASCII on one line."""
    return quoted(text.encode("utf-8", "surrogateescape"))
