"""The options about what is fetched and how long it stays: what is understood, and mistakes."""

from __future__ import annotations

import pytest

from mailhaul.adapters.config.caller import Caller
from mailhaul.adapters.config.errors import ConfigErrors
from mailhaul.adapters.config.load import Configuration, load
from mailhaul.adapters.config.values import SECONDS_PER_DAY, day, period
from mailhaul.apps.polls.accounts import account_of, rules_of

CALLER = Caller("joe", 1000, "/home/joe", None, "/home/joe")


def loaded(text: str, *words: str) -> Configuration:
    return load(["-f", "-", *words], CALLER, text.encode)


def test_the_options_are_read() -> None:
    found = loaded(
        "poll h protocol imap user joe password p folder INBOX Work delete-after 30d "
        'delete-limit 7 leave-unread since 2026-01-31 only "From: @example.org" "To: me" '
        'except "List-Id: announce" nodeduplicate keep-tree maildir /m'
    )
    assert found.warnings == ()
    [account] = found.accounts
    assert (account.deleteafter, account.deletelimit) == (30 * SECONDS_PER_DAY, 7)
    assert (account.folders, account.since) == (("INBOX", "Work"), "2026-01-31")
    assert account.only == ("From: @example.org", "To: me")
    assert account.excepted == ("List-Id: announce",)
    flags = account.leaveunread, account.keeptree, account.deduplicate
    assert flags == (True, True, False)
    assert (account.keeps, account.keep) == (True, False)
    polled = account_of(account, check=False)
    assert (polled.keep, polled.by_ledger, polled.once) == (True, True, False)
    assert polled.rules
    assert polled.rules.since == (2026, 1, 31)


def test_the_command_line_has_them_too() -> None:
    words = ("--delete-after", "2w", "--leave-unread", "--since=7d", "--keep-tree")
    [account] = loaded("poll h protocol imap user joe maildir /m", *words).accounts
    assert (account.deleteafter, account.since) == (14 * SECONDS_PER_DAY, "7d")
    rules = rules_of(account)
    assert rules
    assert (rules.since or ()) > (2020, 1, 1)


@pytest.mark.parametrize(
    ("folders", "options", "once"),
    [
        ("folder INBOX Work", "", True),
        ("folder '*'", "", True),
        ("folder INBOX", "", False),
        ("", "", False),
        ("folder INBOX Work", "nodeduplicate", False),
        ("folder INBOX Work", "keep fetchall", False),
        ("folder INBOX Work", "fetchall", True),
    ],
)
def test_copies_are_looked_for_only_in_several_folders(
    folders: str, options: str, once: bool
) -> None:
    [account] = loaded(f"poll h protocol imap user joe {folders} {options}").accounts
    assert account_of(account, check=False).once is once
    # A daemon polls a folder alone in which mail has arrived.
    assert account_of(account.with_folders(["Work"]), check=False).once is once


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("delete-after 30", 'delete-after: "30" is not a period; write days or weeks: "30d"'),
        ("delete-after 0d", 'delete-after: "0d" is not a period'),
        ("delete-after 1y", 'delete-after: "1y" is not a period'),
        ("keep delete-after keep", 'found "keep", expected a time'),
        ("since 2026-02-30", 'since: "2026-02-30" is not a period or a date; write "2026-01-31"'),
        ("since yesterday", 'since: "yesterday" is not'),
        ("no keep delete-after 30d", '"delete-after" together with "no keep"'),
        ("nokeep leave-unread", '"leave-unread" together with "no keep"'),
        ("delete-after 30d delete-limit 0", "delete-limit must be at least 1"),
        ("delete-after 30d fetchall", '"delete-after" together with "fetchall"'),
        ("delete-after 30d flush", '"delete-after" together with "flush"; "flush" deletes all'),
        ("only From", 'only: "From" has no colon'),
        ("except 'Fr om: x'", 'except: "Fr om: x" does not begin with the name of a header'),
        ("only 'From: x' flush", '"only" together with "flush"'),
        ("since 30d flush", '"since" together with "flush"'),
        ("keep-tree", '"keep-tree" needs "maildir" or "append", not SMTP'),
        ("keep-tree mda cat", '"keep-tree" needs "maildir" or "append", not MDA'),
        ("keep-tree append 'imaps://joe@H/Old'", "stored in the account that it is fetched from"),
    ],
)
def test_mistakes_are_named_with_their_place(options: str, words: str) -> None:
    with pytest.raises(ConfigErrors) as failure:
        loaded(f"poll h protocol imap user joe {options}")
    assert words in str(failure.value)
    assert str(failure.value).startswith("standard input:1:")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("protocol pop3 user joe leave-unread", "it only keeps them"),
        ("protocol pop3 user joe keep-tree maildir /m", "which has no folders"),
        ("protocol imap user joe delete-limit 7", 'no effect without "delete-after"'),
    ],
)
def test_what_has_no_effect_is_said(options: str, words: str) -> None:
    [warning] = loaded(f"poll h {options}").warnings
    assert words in str(warning)


@pytest.mark.parametrize("text", ["", "d", "-3d", "3", "3.5d", "1000000d", "36501d", "٣d"])
def test_what_is_no_period(text: str) -> None:
    assert period(text) is None


@pytest.mark.parametrize("text", ["", "20260131", "2026-1-31", "2026-W05-1", "31-01-2026"])
def test_what_is_no_day(text: str) -> None:
    assert day(text) is None
