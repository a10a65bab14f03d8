"""Rules for what is fetched: the day of arrival, and texts in header fields."""

from __future__ import annotations

from typing import Any

import pytest

from mailhaul.flows.outcome import ExitCode
from mailhaul.flows.rules import BadRule, Rules, fields_of, is_since, read_rule
from mailhaul.servers.mailboxes import Mailbox
from tests.shown_lines import ShownLines
from tests.wishes.reading_world import World, text, world

LIST = b"List-Id: Announcements <announce.example.org>"
both = pytest.mark.parametrize("protocol", ["imap", "pop3"])


def rules(*only: str, excepted: tuple[str, ...] = (), since: Any = None) -> dict[str, Any]:
    key = repr((only, excepted, since)).encode()
    found = Rules(key, since, tuple(map(read_rule, only)), tuple(map(read_rule, excepted)))
    return {"rules": found}


def mixed(protocol: str) -> World:
    """Return a world with five messages; the second and the fourth are from a list."""
    here = world(1, protocol)
    for number in range(2, 6):
        here.inbox.append(text(number, *([LIST] if number % 2 == 0 else [])))
    return here


@both
@pytest.mark.parametrize(
    ("options", "got"),
    [
        (rules("From: ANN3@Example.org"), [3]),
        (rules("From: ann3@", "From: ann5@"), [3, 5]),
        (rules(excepted=("List-Id: announce.example",)), [1, 3, 5]),
        (rules(excepted=("List-Id:",)), [1, 3, 5]),
        (rules("List-Id:", excepted=("Subject: 4",)), [2]),
        (rules("X-Nothing:"), []),
    ],
)
def test_what_is_left_out_stays_as_it_is(
    protocol: str, options: dict[str, Any], got: list[int]
) -> None:
    here = mixed(protocol)
    here.poll(**options)
    assert here.got == got
    assert here.left == [uid for uid in range(1, 6) if uid not in got]
    assert not any(message.flags for message in here.inbox.messages)
    assert f"{5 - len(got)} message(s) are left out by your rules" in here.said
    assert here.poll(**options) is ExitCode.NOMAIL
    assert f"{5 - len(got)} message(s) are left out" in here.said


@both
def test_a_message_is_looked_at_again_only_after_the_rules_have_changed(protocol: str) -> None:
    here = mixed(protocol)
    here.poll(**rules(excepted=("List-Id:",)))
    lines: list[bytes] = []
    here.tap = ShownLines(lambda way, line: lines.append(line))
    here.poll(**rules(excepted=("List-Id:",)))
    assert not [line for line in lines if b"HEADER.FIELDS" in line or line.startswith(b"TOP")]
    here.poll(**rules("List-Id:"))
    assert (here.got, here.left) == ([1, 3, 5, 2, 4], [])


def test_limitflush_deletes_nothing_that_rules_leave_out() -> None:
    """In the second folder fetchlimit has no room left; the size of a message is looked at all the
    same.
    """
    long = Mailbox([text(7, LIST, b"X-Long: " + b"x" * 3000)])
    here = World({b"INBOX": Mailbox([text(1)]), b"Work": long}, capabilities=(b"UIDPLUS",))
    options = rules(excepted=("List-Id:",))
    here.poll(mailboxes=("INBOX", "Work"), fetchlimit=1, limit=2000, limitflush=True, **options)
    assert here.got == [1]
    assert len(long.messages) == 1


@both
def test_a_limit_counts_only_what_is_fetched(protocol: str) -> None:
    here = mixed(protocol)
    options = rules(excepted=("List-Id:",))
    here.poll(fetchlimit=2, **options)
    assert here.got == [1, 3]
    here.poll(fetchlimit=2, **options)
    assert here.got == [1, 3, 5]


@both
def test_kept_mail_that_is_left_out_is_fetched_when_the_rules_allow_it(protocol: str) -> None:
    here = mixed(protocol)
    here.poll(keep=True, **rules(excepted=("List-Id:",)))
    here.poll(keep=True)
    assert here.got == [1, 3, 5, 2, 4]


def test_a_check_counts_and_records_nothing() -> None:
    here = mixed("imap")
    options = rules("From: ann9@")
    assert here.poll(check_only=True, **options) is ExitCode.NOMAIL
    assert here.poll(check_only=True) is ExitCode.SUCCESS


@pytest.mark.parametrize(("day", "got"), [((2026, 2, 1), [2, 3]), ((2026, 2, 2), [3])])
def test_over_imap_the_server_says_what_arrived_since_a_day(
    day: tuple[int, int, int], got: list[int]
) -> None:
    here = world(3)
    for message, date in zip(here.inbox.messages, (b"31-Jan", b"01-Feb", b"02-Feb"), strict=True):
        message.date = date + b"-2026 12:00:00 +0000"
    here.poll(**rules(since=day))
    assert here.got == got
    assert f"{3 - len(got)} message(s) are left out" in here.said


def test_over_pop3_the_header_says_it_and_no_date_is_no_reason() -> None:
    here = world(1, "pop3")
    old = text(2).replace(b"2 Nov 2026", b"2 Oct 2026")
    here.inbox.append(old)
    here.inbox.append(b"Received: by x; Sun, 1 Nov 2026 00:00:01 +0000\r\n" + old)
    here.inbox.append(text(4).replace(b"Date:", b"X-Date:"))
    here.poll(**rules(since=(2026, 11, 1)))
    assert here.left == [2]


def test_what_a_wrong_clock_leaves_out_is_fetched_when_the_clock_is_right() -> None:
    """A period such as 30d is a later day each time; the text of the rule is the same."""

    def since(*day: int) -> dict[str, Any]:
        return {"rules": Rules(b"30d", day)}  # type: ignore[arg-type]

    here = world(1, "pop3")
    here.inbox.append(text(2).replace(b"2 Nov 2026", b"2 Oct 2026"))
    here.poll(**since(2099, 1, 1))
    assert here.left == [1, 2]
    here.poll(**since(2026, 11, 1))
    assert (here.got, here.left) == ([1], [2])
    # What an earlier day has left out needs no look: all later days leave it out too.
    lines: list[bytes] = []
    here.tap = ShownLines(lambda way, line: lines.append(line))
    here.poll(**since(2026, 11, 2))
    assert here.left == [2]
    assert not [line for line in lines if line.startswith(b"TOP")]
    here.poll(**since(1969, 12, 2))
    assert here.left == []


def test_a_server_without_headers_gets_everything_fetched() -> None:
    here = mixed("pop3")
    here.without_top = True
    here.poll(**rules("From: nobody@"))
    assert here.got == [1, 2, 3, 4, 5]
    assert "5 message(s) are fetched whatever your rules say" in here.errors[0]


def test_encoded_words_and_folded_fields_are_compared_as_text() -> None:
    header = b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n from\r\n\there\r\nSubject: 2\r\n\r\n"
    fields = fields_of(header)
    for rule in ("subject: GRÜSSE", "Subject: from here", "SUBJECT: 2", "subject:"):
        assert Rules(b"", None, (read_rule(rule),)).allow(fields)
    assert not Rules(b"", None, (read_rule("To:"),)).allow(fields)


@pytest.mark.parametrize("rule", ["", "From", ": x", "Fr om: x", "Fröm: x", f"{'x' * 77}: y"])
def test_what_is_no_rule_is_refused(rule: str) -> None:
    with pytest.raises(BadRule):
        read_rule(rule)


def test_a_day_is_compared_without_the_time_zone() -> None:
    assert is_since(b" 1-feb-2026 00:00:00 +1400", (2026, 2, 1))
    assert not is_since(b"31-Jan-2026 23:59:59 -1200", (2026, 2, 1))
