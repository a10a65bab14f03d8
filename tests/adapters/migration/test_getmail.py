"""What becomes of a getmailrc."""

from __future__ import annotations

import pytest

from mailhaul.adapters.migration.getmail import translate
from mailhaul.adapters.migration.new_rcfile import Untranslatable
from tests.adapters.migration.translated import entries, notes

USUAL = """\
# my account
[retriever]
type = SimpleIMAPSSLRetriever
server = imap.example.org
username = joe
password = sesa%me
ca_certs = /etc/ssl/ca.pem
use_peek = false
mailboxes = ("INBOX", "Lists/Python",
    'Odd "name"')

[destination]
type = Maildir
path = ~/Maildir/

[options]
read_all = false
delivered_to = false
received = false
"""


def test_an_imap_account() -> None:
    made = translate(USUAL.encode(), "getmailrc", "/home/joe")
    assert (
        entries(made)
        == """\
set invisible
poll "imap.example.org" protocol imap
    user "joe"
    password "sesa%me"
    ssl
    sslcertfile "/etc/ssl/ca.pem"
    folder "INBOX" "Lists/Python" "Odd \\x22name\\x22"
    fetchread
    keep
    maildir "~/Maildir/"
"""
    )
    assert notes(made) == []


def test_a_pop3_account_with_the_defaults_of_getmail() -> None:
    made = translate(
        b"[retriever]\ntype=SimplePOP3Retriever\nserver: localhost\nport: 1100\nusername = joe\n"
        b"password_command = ('pass', 'my mail')\n"
        b"[destination]\ntype = MDA_external\npath = /usr/bin/procmail\n"
        b"arguments = ('-f', '%(sender)', '-a', 'x y')\n",
        "rc",
        "/home/joe",
    )
    assert (
        entries(made)
        == """\
poll "localhost" protocol pop3 service 1100
    user "joe"
    passwordeval "pass 'my mail'"
    sslmode "none"
    keep
    fetchall
    mda "/usr/bin/procmail -f %F -a 'x y'"
"""
    )


@pytest.mark.parametrize(
    ("destination", "sink"),
    [
        ("type = Mboxrd\npath = ~/inbox\nlocktype = flock", 'mbox "~/inbox"'),
        ("type = MDA_lmtp\nhost = /run/lmtp", 'lmtp smtphost "/run/lmtp"'),
        ("type = MDA_lmtp\nhost = lists", 'lmtp smtphost "lists/2003"'),
        ("type = MultiDestination\ndestinations = ('/var/mail/joe', )", 'mbox "/var/mail/joe"'),
        ("type = MultiDestination\ndestinations = ('~/M/', )", 'maildir "~/M/"'),
        (
            "type = MultiDestination\ndestinations = ('[x]', )\n[x]\ntype = Maildir\npath = /m/",
            'maildir "/m/"',
        ),
    ],
)
def test_a_destination_becomes_a_sink(destination: str, sink: str) -> None:
    text = USUAL.replace("type = Maildir\npath = ~/Maildir/", destination)
    made = translate(text.encode(), "rc", "/home/joe")
    assert entries(made).splitlines()[-1].strip() == sink
    assert notes(made) == []


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (USUAL.replace("use_peek = false", "move_on_delete = Old"), 8),
        (USUAL.replace("use_peek = false", "use_peek = true"), 8),
        (USUAL.replace("ca_certs = /etc/ssl/ca.pem", ""), 3),
        (USUAL.replace("Maildir\n", "MultiSorter\n"), 13),
        (USUAL.replace("path = ~/Maildir/", "path = ~/Maildir/\nuser = joe"), 15),
        (USUAL + "delete_after = 30\n", 20),
        (USUAL + "[filter-spam]\ntype = Filter_external\npath = /bin/true\n", 20),
    ],
)
def test_what_is_not_translated_is_named_with_its_line(text: str, line: int) -> None:
    made = translate(text.encode(), "rc", "/home/joe")
    entries(made)
    assert any(note.startswith(f"rc:{line}: ") for note in notes(made)), notes(made)


def test_a_multidrop_mailbox_keeps_its_envelope() -> None:
    text = USUAL.replace("SimpleIMAPSSL", "MultidropIMAPSSL").replace(
        "use_peek = false", "use_peek = false\nenvelope_recipient = Delivered-To:2"
    )
    made = translate(text.encode(), "rc", "/home/joe")
    assert 'protocol imap envelope 1 "Delivered-To"\n    user "joe" to *' in entries(made)
    assert any("localdomains" in note for note in notes(made))


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("server = x\n", "rc:1: "),
        ("[retriever]\nsesame\n", "rc:2: "),
        ("[options]\n", "rc:1: "),
        ("[retriever]\ntype = Nothing\n", "rc:2: "),
        (USUAL.replace('Odd "name"\')', "Odd"), "rc:2: "),
    ],
)
def test_a_file_that_getmail_refuses_is_refused(text: str, place: str) -> None:
    with pytest.raises(Untranslatable) as caught:
        translate(text.encode(), "rc", "/home/joe")
    assert str(caught.value).startswith(place)
    assert "sesa" not in str(caught.value)
