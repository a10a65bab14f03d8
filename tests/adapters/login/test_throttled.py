"""The rest that a server wants, from its own words."""

from __future__ import annotations

import pytest

from mailhaul.adapters.login.throttled import HOUR, MAX_REST, rest_wanted

EXCHANGE = b"Request is throttled. Suggested Backoff Time: %d milliseconds"
GMAIL = b"Account exceeded command or bandwidth limits. (Failure)"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (EXCHANGE % 92415, 92.415),
        (EXCHANGE % 299961, 299.961),
        (EXCHANGE % 12, 1.0),
        (EXCHANGE % 10**11, MAX_REST),
        (b"User is throttled. Suggested backoff time: 30 seconds", 30.0),
        (b"Too many logins, try again in 15 minutes", 900.0),
        (b"[IN-USE] please retry after 20 seconds", 20.0),
    ],
)
def test_a_time_that_the_server_names_is_obeyed_wherever_it_stands(
    text: bytes, seconds: float
) -> None:
    wanted = rest_wanted(text)
    assert wanted
    assert wanted.explicit
    assert wanted.seconds == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "code", "seconds"),
    [
        (GMAIL, b"OVERQUOTA", HOUR),
        (b"[OVERQUOTA] " + GMAIL, b"", HOUR),
        (GMAIL, b"", HOUR),
        (b"slow down", b"THROTTLED", 300.0),
        (b"Temporary authentication failure", b"UNAVAILABLE", 60.0),
        (b"Too many simultaneous connections. (Failure)", b"LIMIT", 300.0),
        (b"Too many simultaneous connections. (Failure)", b"ALERT", 60.0),
        (b"Mailbox is locked", b"INUSE", 60.0),
        (b"[IN-USE] maildrop is locked", b"", 60.0),
        (b"[SYS/TEMP] try again", b"", 60.0),
    ],
)
def test_a_refusal_for_all_means_a_rest_by_its_code_or_its_words(
    text: bytes, code: bytes, seconds: float
) -> None:
    wanted = rest_wanted(text, code, for_all=True)
    assert wanted
    assert not wanted.explicit
    assert wanted.seconds == seconds
    # It may be about one message only.
    assert rest_wanted(text, code) is None


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"Invalid credentials (Failure)", b"AUTHENTICATIONFAILED"),
        (b"[AUTH] Authentication failed: too many attempts", b""),
        (b"Mailbox does not exist", b"NONEXISTENT"),
        (b"", b""),
        (b"Logging out", b""),
    ],
)
def test_other_refusals_want_no_rest(text: bytes, code: bytes) -> None:
    assert rest_wanted(text, code, for_all=True) is None
