"""The canonical names in the ledger do not depend on the spelling."""

from __future__ import annotations

import os

import pytest

from mailhaul.adapters.ledger.names import (
    account_name,
    is_loopback,
    mailbox_name,
    name_of_paged,
    same_user,
    sink_name,
    stored,
)


@pytest.mark.parametrize(
    ("host", "port"),
    [("mail.example.org", ""), ("Mail.Example.ORG.", "110"), ("mail.example.org", "pop3s")],
)
def test_the_case_of_a_host_and_a_default_port_do_not_change_the_account(
    host: str, port: str
) -> None:
    assert account_name("pop3", "joe", host, port) == "pop3 joe@mail.example.org"


def test_user_port_protocol_and_place_distinguish_accounts() -> None:
    names = {
        account_name("pop3", "joe", "host"),
        account_name("pop3", "Joe", "host"),
        account_name("imap", "joe", "host"),
        account_name("pop3", "joe", "host", "143"),
        account_name("pop3", "joe", "host", "1110"),
        account_name("pop3", "joe", "host", "1110", "tickets"),
        account_name("pop3", "joe", "host", "1110", "sales"),
    }
    assert len(names) == 7
    prefix = same_user("pop3", "joe")
    assert {n for n in names if n.startswith(prefix)} == {n for n in names if " joe" in n} - {
        account_name("imap", "joe", "host")
    }


def test_the_names_of_older_versions_are_read() -> None:
    assert name_of_paged("pop3 joe@example.org@Mail.Example.net:995") == (
        "pop3 joe@example.org@mail.example.net"
    )
    assert name_of_paged("imap joe@::1") == "imap joe@::1"
    assert name_of_paged("imap joe@host:1143") == account_name("imap", "joe", "HOST", "1143")


def test_the_names_of_this_machine_are_recognised() -> None:
    assert all(map(is_loopback, ("localhost", "LOCALHOST.", "127.0.0.1", "127.1", "::1")))
    assert not any(map(is_loopback, ("mail.example.org", "localhost.example.org", "10.0.0.1")))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("smtp localhost", "smtp 127.0.0.1/25"),
        ("smtp MX.example.org/smtp localhost", "smtp mx.example.org ::1 localhost"),
        ("mda cat  >>x ", "mda cat >>x"),
        ("maildir /home/joe/Mail/", "maildir /home/joe//Mail"),
        ("mbox x", f"mbox {os.getcwd()}/x"),
    ],
)
def test_another_spelling_of_a_sink_is_the_same_sink(one: str, other: str) -> None:
    assert sink_name(one) == sink_name(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("smtp localhost", "smtp localhost/2525"),
        ("smtp localhost", "lmtp localhost"),
        ("smtp mx", "smtp mx through ssh mx sendmail -bs"),
        ("maildir /a", "maildir /b"),
        ("bsmtp -", "bsmtp ./-"),
    ],
)
def test_another_sink_has_another_name(one: str, other: str) -> None:
    assert sink_name(one) != sink_name(other)


def test_inbox_has_one_name_and_pop3_one_mailbox() -> None:
    assert mailbox_name("imap joe@host", "inbox") == "INBOX"
    assert mailbox_name("imap joe@host", "Lists") == "Lists"
    assert mailbox_name("pop3 joe@host", "Lists") == "INBOX"


def test_octets_that_are_not_utf_8_are_preserved() -> None:
    assert stored("j\udcf6rg") == b"j\xf6rg"
    assert stored("jörg") == "jörg"
