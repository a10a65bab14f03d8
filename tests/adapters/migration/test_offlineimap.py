"""What becomes of a configuration of OfflineIMAP."""

from __future__ import annotations

import pytest

from mailhaul.adapters.migration.new_rcfile import Translation, Untranslatable
from mailhaul.adapters.migration.offlineimap import names_in_filter, translate
from tests.adapters.migration.translated import entries, notes

USUAL = """\
[general]
accounts = work
ui = basic

[Account work]
localrepository = near
remoterepository = far

[Repository near]
type = Maildir
localfolders = ~/Mail

[Repository far]
type = IMAP
remotehost = imap.example.org
remoteuser = joe
remotepass = se%%same
folderfilter = lambda f: f in ['INBOX',
    "Sent mail"]
readonly = True
"""


def made_of(text: str) -> Translation:
    return translate(text.encode(), "rc", "/home/joe")


def with_line(line: str, section: str = "type = IMAP") -> str:
    return USUAL.replace(section, f"{section}\n{line}")


def test_a_repository_that_is_only_read_is_polled_into_the_same_maildirs() -> None:
    entry = """\
poll "imap.example.org" protocol imap
    user "joe"
    password "se%same"
    ssl
    {}leave-unread
    maildir "{}"
"""
    made = made_of(USUAL)
    folders = [("", "~/Mail/INBOX"), ("Sent mail", "~/Mail/Sent mail")]
    assert entries(made) == "\n".join(
        entry.format(f'folder "{folder}"\n    ' if folder else "", path) for folder, path in folders
    )
    said = [note.partition(": ")[2] for note in notes(made)]
    assert said[0].startswith("what OfflineIMAP has fetched is not taken over")
    assert said[1].startswith("do not let OfflineIMAP use these Maildirs any more")
    assert said[2:] == ['"ui" is not translated']


def test_an_account_that_changes_the_server_is_not_polled() -> None:
    made = made_of(USUAL.replace("readonly = True", ""))
    assert entries(made).count("skip ") == 2
    (note,) = [note for note in notes(made) if "also changes the mail on the server" in note]
    assert note.startswith("rc:5: ")


@pytest.mark.parametrize(
    ("line", "option"),
    [
        ("remoteport = 1993", "service 1993"),
        ("ssl = no\nstarttls = yes", 'sslmode "starttls=must"'),
        ("ssl = yes", "ssl"),
        ("sslcacertfile = OS-DEFAULT", "ssl"),
        ("sslcacertfile = ~/ca.pem", 'sslcertfile "/home/joe/ca.pem"'),
        ("sslclientcert = /c\nsslclientkey = /k", 'sslkey "/k"'),
        ("cert_fingerprint = " + "0a" * 32, f'sslfingerprint "{"0a" * 32}"'),
        ("auth_mechanisms = XOAUTH2", "auth xoauth2"),
        ("auth_mechanisms = PLAIN, LOGIN", "ssl"),
        ("transporttunnel = nc imap.example.org 143", 'plugin "nc imap.example.org 143"'),
        ("startdate = 2026-04-01", "since 2026-04-01"),
        ("expunge = no", "ssl"),
    ],
)
def test_a_parameter_of_the_server_becomes_an_option(line: str, option: str) -> None:
    made = made_of(with_line(line))
    assert option in entries(made)
    assert len(notes(made)) == 3, notes(made)


@pytest.mark.parametrize(
    ("line", "option"),
    [("maxsize = 2000000", "limit 2000000"), ("maxage = 30", "since 30d")],
)
def test_a_parameter_of_the_account_becomes_an_option(line: str, option: str) -> None:
    made = made_of(with_line(line, "remoterepository = far"))
    assert option in entries(made)
    assert len(notes(made)) == 3, notes(made)


def test_a_password_in_a_file_and_the_host_of_gmail() -> None:
    text = USUAL.replace("remotepass = se%%same", "remotepassfile = ~/secret")
    made = made_of(
        text.replace("remotehost = imap.example.org\n", "").replace("type = IMAP", "type = Gmail")
    )
    assert entries(made).startswith('poll "imap.gmail.com" protocol imap')
    assert 'passwordfile "/home/joe/secret"' in entries(made)


@pytest.mark.parametrize(
    "line",
    [
        "remotepasseval = get()",
        "remote_identity = boss",
        "remoteport = x",
        "cert_fingerprint = " + "0a" * 20,
        "auth_mechanisms = GSSAPI, XOAUTH2, CRAM-MD5",
        "oauth2_refresh_token = x",
        "idlefolders = ['INBOX']",
        "subscribedonly = yes",
        "startdate = yesterday",
        "ssl_version = tls1_2",
        "unheard = of",
        "transporttunnel = a | b",
        "tls_level = %(x)s",
    ],
)
def test_what_is_not_translated_is_named_with_its_line(line: str) -> None:
    made = made_of(with_line(line))
    assert any(note.startswith("rc:15: ") for note in notes(made)), notes(made)
    entries(made)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (("folderfilter = lambda f: f in", "folderfilter = lambda f: f not in"), "too much of it"),
        (("folderfilter = lambda f: f in", "nametrans = lambda f: f or"), '"nametrans" is Python'),
        (("'INBOX'", "'a/b'"), "how the server separates levels"),
        (("~/Mail", "Mail"), "depends on the folder"),
        (("~/Mail", "~/Mail\nnametrans = lambda f: f"), '"nametrans" is Python'),
        (("'INBOX'", "None"), "too much of it"),
        (("remotehost = imap.example.org\n", ""), "has no host"),
    ],
)
def test_what_may_be_another_place_is_not_polled(change: tuple[str, str], why: str) -> None:
    made = made_of(USUAL.replace(*change))
    assert entries(made).startswith("skip ")
    assert any(why in note and 'written as "skip"' in note for note in notes(made)), notes(made)


def test_all_folders_become_a_tree_that_has_to_be_looked_at() -> None:
    text = USUAL.partition("folderfilter")[0] + "readonly = True\nfolderincludes = ['x']\n"
    made = made_of(text)
    assert entries(made).startswith("skip ")
    assert 'folder "*"\n    leave-unread\n    keep-tree\n    maildir "~/Mail/INBOX"' in entries(
        made
    )


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("lambda f: f in ['a', 'b']", ("a", "b")),
        ("lambda folder: folder in ('a',)", ("a",)),
        ("lambda f: f == 'INBOX'", ("INBOX",)),
        ("lambda f: f in {'a'}", ("a",)),
        ("lambda f: g in ['a']", None),
        ("lambda f: f in []", None),
        ("lambda f: f in [open('x')]", None),
        ("lambda f: f == 'a' or f == 'b'", None),
        ("lambda f, g: f in ['a']", None),
        ("lambda f: f != 'a'", None),
        ("re.search('x')", None),
        ("lambda f:", None),
        ("(" * 5000, None),
    ],
)
def test_only_a_filter_that_is_a_list_is_understood(
    text: str, names: tuple[str, ...] | None
) -> None:
    assert names_in_filter(text) == names


def test_included_folders_are_added_to_those_of_the_filter() -> None:
    made = made_of(USUAL.replace("readonly", "folderincludes = ['More']\nreadonly"))
    assert 'folder "More"' in entries(made)
    assert entries(made).count("poll ") == 3


def test_other_kinds_of_repositories_are_named() -> None:
    made = made_of(USUAL.replace("type = Maildir", "type = IMAP"))
    assert made.entries == []
    assert any("does not lead from IMAP to a Maildir" in note for note in notes(made))
    made = made_of(f"{USUAL}\n[Repository other]\ntype = IMAP\n")
    assert any('section "Repository other" is not translated' in note for note in notes(made))


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("x = 1\n", "rc:1: "),
        ("[other]\nx = 1\n", "rc:1: "),
        ("[general]\naccounts = a\n", "rc:2: "),
        ("[general]\naccounts = a\n[Account a]\nlocalrepository = x\n", "rc:4: "),
    ],
)
def test_a_file_that_offlineimap_refuses_is_refused(text: str, place: str) -> None:
    with pytest.raises(Untranslatable) as caught:
        made_of(text)
    assert str(caught.value).startswith(place)
