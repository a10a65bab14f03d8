"""What becomes of an mpoprc."""

from __future__ import annotations

import pytest

from mailhaul.adapters.migration.mpop import translate
from mailhaul.adapters.migration.new_rcfile import Untranslatable
from tests.adapters.migration.translated import entries, notes

USUAL = """\
defaults
tls on
# a comment
delivery maildir ~/Mail

account work
host pop.example.org
user joe
password "se sa\\me"

account home : work
host pop.example.net
keep on
only_new off
tls_starttls off
port 1995
"""


def test_accounts_take_over_defaults_and_what_they_inherit() -> None:
    made = translate(USUAL.encode(), "mpoprc", "/home/joe")
    assert (
        entries(made)
        == """\
poll "pop.example.org" protocol pop3
    user "joe"
    password "se sa\\\\me"
    sslmode "starttls=must"
    maildir "~/Mail"

poll "pop.example.net" protocol pop3 service 1995
    user "joe"
    password "se sa\\\\me"
    keep
    fetchall
    ssl
    maildir "~/Mail"
"""
    )
    assert notes(made) == []


@pytest.mark.parametrize(
    ("line", "option"),
    [
        ("delivery mbox /var/mail/joe", 'mbox "/var/mail/joe"'),
        ("delivery mda \"/usr/bin/procmail -f '%F' -d $USER\"",
         'mda "/usr/bin/procmail -f %F -d $USER"'),
        ("tls_trust_file ~/ca.pem", 'sslcertfile "/home/joe/ca.pem"'),
        ("tls_certcheck off", "no sslcertck"),
        ("tls_host_override mail.example", 'sslcommonname "mail.example"'),
        ("tls_fingerprint " + ":".join(["0A"] * 32),
         f'sslfingerprint "{":".join(["0A"] * 32)}"'),
        ("password\npasswordeval gpg -d ~/p", 'passwordeval "gpg -d ~/p"'),
        ("skipsize 10k", "limit 10240"),
        ("killsize 1m", "limit 1048576"),
        ("keep off\nkillsize 1m", "limitflush"),
        ("timeout 60", "timeout 60"),
        ("auth cram-md5", "auth cram-md5"),
        ("auth apop", "protocol apop"),
        ("keep", "keep"),
    ],
)  # fmt: skip
def test_a_command_becomes_an_option(line: str, option: str) -> None:
    made = translate(f"{USUAL}{line}\n".encode(), "mpoprc", "/home/joe")
    assert option in entries(made).split("\n\n")[1]
    assert notes(made) == []


@pytest.mark.parametrize(
    "line",
    [
        "filter ~/bin/filter",
        "proxy_host localhost",
        "delivery exchange /x",
        "auth ntlm",
        "timeout off",
        "tls_fingerprint " + ":".join(["0A"] * 20),
        "eval echo host x",
        "unheard of",
    ],
)
def test_what_is_not_translated_is_named_with_its_line(line: str) -> None:
    made = translate(f"{USUAL}{line}\n".encode(), "mpoprc", "/home/joe")
    last = USUAL.count("\n") + 1
    assert any(note.startswith(f"mpoprc:{last}: ") for note in notes(made)), notes(made)


def test_an_entry_without_a_sink_is_skipped() -> None:
    made = translate(b"account x\nhost pop.example.org\nuser joe\ntls on\n", "rc", "/home/joe")
    assert entries(made).startswith('skip "pop.example.org"')
    assert [note.split(":")[1] for note in notes(made)] == ["1"]


def test_a_connection_in_the_clear_may_be_encrypted_from_now_on() -> None:
    text = "account x\nhost {}\nuser joe\ndelivery maildir /m\n"
    made = translate(text.format("pop.example.org").encode(), "rc", "/home/joe")
    assert 'sslmode "starttls=may"' in entries(made)
    assert "not encrypted" in notes(made)[0]
    made = translate(text.format("localhost").encode(), "rc", "/home/joe")
    assert 'sslmode "none"' in entries(made)
    assert notes(made) == []


@pytest.mark.parametrize(
    ("text", "place"), [("host x\n", "rc:1: "), ("account a : b\nhost x\n", "rc:1: ")]
)
def test_a_file_that_mpop_refuses_is_refused(text: str, place: str) -> None:
    with pytest.raises(Untranslatable) as caught:
        translate(text.encode(), "rc", "/home/joe")
    assert str(caught.value).startswith(place)
