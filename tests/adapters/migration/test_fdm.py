"""What becomes of an fdm.conf."""

from __future__ import annotations

import pytest

from mailhaul.adapters.migration.fdm import translate
from mailhaul.adapters.migration.new_rcfile import Untranslatable
from tests.adapters.migration.translated import entries, notes

USUAL = """\
# fdm
set maximum-size 64M
set verify-certificates
$base = "%h/Mail"
action "inbox" maildir "${base}/inbox"
action "relay" smtp server "localhost" port 25 to "joe@example.org"

account "home" pop3s server "pop.example.org" user "joe" pass "se\\"same"
    new-only cache "%h/.fdm-cache" keep
account 'work' imap server "imap.example.org" port 1143
    user "joe" pass $(pass show work) folders { "INBOX" "Lists" } starttls

match account "work"
    action "relay"
match all action "inbox"
"""


def test_accounts_with_the_first_rule_for_all_their_mail() -> None:
    made = translate(USUAL.encode(), "fdm.conf", "/home/joe")
    assert (
        entries(made)
        == """\
poll "pop.example.org" protocol pop3
    user "joe"
    password "se\\x22same"
    ssl
    limit 67108864
    keep
    maildir "/home/joe/Mail/inbox"

poll "imap.example.org" protocol imap service 1143
    user "joe"
    passwordeval "pass show work"
    sslmode "starttls=must"
    folder "INBOX" "Lists"
    limit 67108864
    fetchall
    smtphost "localhost/25" smtpname "joe@example.org"
"""
    )
    assert notes(made) == []


@pytest.mark.parametrize(
    ("action", "sink"),
    [
        ('mbox "~/inbox"', 'mbox "~/inbox"'),
        ('pipe "procmail -d joe"', 'mda "procmail -d joe"'),
        ('lmtp server "/run/lmtp"', 'lmtp smtphost "/run/lmtp"'),
        ('{ keep maildir "/m" }', 'maildir "/m"'),
    ],
)
def test_an_action_becomes_a_sink(action: str, sink: str) -> None:
    text = USUAL.replace('maildir "${base}/inbox"', action)
    made = translate(text.encode(), "rc", "/home/joe")
    assert entries(made).split("\n\n")[0].splitlines()[-1].strip() == sink
    assert notes(made) == []


def test_an_action_may_be_written_into_the_rule() -> None:
    text = USUAL.replace('match all action "inbox"', 'match all action maildir "/m"')
    assert 'maildir "/m"' in entries(translate(text.encode(), "rc", "/home/joe"))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (USUAL.replace("set maximum", 'set proxy "x"\nset maximum'), 2),
        (USUAL.replace("set verify-certificates", ""), 8),
        (USUAL.replace("match all", 'match "^Subject" in headers action drop\nmatch all'), 15),
        (USUAL.replace('"inbox"\n', '"inbox" continue\n'), 15),
        (USUAL.replace("${base}/inbox", "/m/%[year]"), 5),
        (USUAL.replace('maildir "${base}/inbox"', "drop"), 5),
        (USUAL + 'account "news" nntp server "n" group "g" cache "c"\n', 16),
        (USUAL + 'include "more.conf"\n', 16),
    ],
)
def test_what_is_not_translated_is_named_with_its_line(text: str, line: int) -> None:
    made = translate(text.encode(), "rc", "/home/joe")
    entries(made)
    assert any(note.startswith(f"rc:{line}: ") for note in notes(made)), notes(made)


def test_mail_that_fdm_would_drop_is_not_fetched() -> None:
    text = USUAL.replace('maildir "${base}/inbox"', "drop")
    assert entries(translate(text.encode(), "rc", "/home/joe")).startswith("skip ")


def test_a_disabled_account_is_skipped() -> None:
    text = USUAL.replace('"home" pop3s', '"home" disabled pop3s')
    assert entries(translate(text.encode(), "rc", "/home/joe")).startswith("skip ")


@pytest.mark.parametrize("text", ['account "x\n', "$x = $(never ends\n"])
def test_what_is_never_closed_is_an_error(text: str) -> None:
    with pytest.raises(Untranslatable):
        translate(text.encode(), "rc", "/home/joe")


def test_no_note_shows_a_string_that_may_be_a_password() -> None:
    text = 'account "x" pop3 server "h" user "u" "sesame"\n'
    made = translate(text.encode(), "rc", "/home/joe")
    assert notes(made)
    assert "sesame" not in "".join(notes(made))
