"""What becomes of a configuration of mbsync."""

from __future__ import annotations

import pytest

from mailhaul.adapters.migration.mbsync import cells, translate, words_of
from mailhaul.adapters.migration.new_rcfile import Translation, Untranslatable
from tests.adapters.migration.translated import entries, notes

USUAL = """\
Create Near
SyncState *

# the server
IMAPAccount work
Host imap.example.org
User joe
PassCmd "+pass show \\"mail work\\""
SSLType IMAPS

IMAPStore far
Account work

MaildirStore near
Path ~/Mail/
Inbox ~/Mail/Inbox
SubFolders Verbatim

Channel work
Far :far:
Near :near:
Patterns INBOX Sent "Old/2025 a"
Sync Pull
"""


def made_of(text: str) -> Translation:
    return translate(text.encode(), "rc", "/home/joe")


def test_a_channel_that_only_pulls_is_polled_into_the_same_maildirs() -> None:
    entry = """\
poll "imap.example.org" protocol imap
    user "joe"
    passwordeval "pass show \\x22mail work\\x22"
    ssl
    {}leave-unread
    maildir "{}"
"""
    made = made_of(USUAL)
    folders = [("", "~/Mail/Inbox"), ("Sent", "~/Mail/Sent"), ("Old/2025 a", "~/Mail/Old/2025 a")]
    assert entries(made) == "\n".join(
        entry.format(f'folder "{folder}"\n    ' if folder else "", path) for folder, path in folders
    )
    said = [note.partition(": ")[2] for note in notes(made)]
    assert said[0].startswith("what mbsync has fetched is not taken over")
    assert said[1].startswith("do not let mbsync use these Maildirs any more")
    assert said[2:] == [
        '"syncstate" is not translated',
        'channel "work": folders have the names of the server here, which may be such as '
        '"INBOX.Sent"',
        'channel "work": later changes of flags on the server, and deletions there, are not '
        "followed",
    ]


@pytest.mark.parametrize(
    "sync", ["", "Sync All", "Sync New", "Sync PullNew Push", "Sync Push Pull"]
)
def test_a_channel_that_changes_the_server_is_not_polled(sync: str) -> None:
    made = made_of(USUAL.replace("Sync Pull", sync))
    assert entries(made).count("skip ") == 3
    assert any("also changes the mail on the server" in note for note in notes(made))


def test_a_channel_that_fetches_nothing_is_not_polled() -> None:
    made = made_of(USUAL.replace("Sync Pull", "Sync Push"))
    assert entries(made).startswith("skip ")
    assert any("fetches no new mail" in note for note in notes(made))


@pytest.mark.parametrize(
    ("sync", "pulls", "pushes"),
    [
        ("All", "all", "all"),
        ("None", "", ""),
        ("Pull", "all", ""),
        ("Pull New Flags", "new flags", ""),
        ("New", "new", "new"),
        ("PullNew", "new", ""),
        ("PullNew PushFlags", "new", "flags"),
        ("PullNew Push", "new", "all"),
        ("PullNew Delete", "new delete", "delete"),
        ("PullNew PullFlags", "new flags", ""),
    ],
)  # fmt: skip
def test_sync_is_a_table_of_directions_and_kinds(sync: str, pulls: str, pushes: str) -> None:
    words = sync.split()
    assert (cells(words, "pull"), cells(words, "push")) == ({*pulls.split()}, {*pushes.split()})


def test_global_options_hold_for_all_channels() -> None:
    made = made_of("Sync Pull\n" + USUAL.replace("Sync Pull\n", ""))
    assert entries(made).count("poll ") == 3


@pytest.mark.parametrize(
    ("line", "option"),
    [
        ("Port 1993", "service 1993"),
        ("Timeout 60", "timeout 60"),
        ("SSLType STARTTLS", 'sslmode "starttls=must"'),
        ("SSLType None", 'sslmode "starttls=may"'),
        ("Pass sesame", 'password "sesame"'),
        ("AuthMechs PLAIN LOGIN", "ssl"),
        ("AuthMech XOAUTH2", "auth xoauth2"),
        ("AuthMechs *", "ssl"),
        ("CertificateFile ~/ca.pem\nSystemCertificates no", 'sslcertfile "/home/joe/ca.pem"'),
        ("ClientCertificate ~/c\nClientKey ~/k", 'sslkey "/home/joe/k"'),
        ("Tunnel ssh -q host imapd", 'plugin "ssh -q host imapd"'),
    ],
)  # fmt: skip
def test_an_option_of_the_account_becomes_an_option(line: str, option: str) -> None:
    made = made_of(USUAL.replace("SSLType IMAPS", f"SSLType IMAPS\n{line}"))
    assert option in entries(made).split("\n\n", maxsplit=1)[0]
    said = [note for note in notes(made) if note.startswith("rc:10: ")]
    assert len(said) == (line == "SSLType None"), said


@pytest.mark.parametrize(
    "line",
    [
        "CipherString x",
        "SSLVersions TLSv1.2",
        "PipelineDepth 1",
        "UseKeychain yes",
        "UserCmd x",
        "AuthMechs GSSAPI",
        "DisableExtension MOVE",
        "Unheard of",
        "Timeout 0",
        "Port 99999",
        'Tunnel "a | b"',
        "CertificateFile ca",
    ],
)
def test_what_is_not_translated_is_named_with_its_line(line: str) -> None:
    made = made_of(USUAL.replace("SSLType IMAPS", f"SSLType IMAPS\n{line}"))
    assert any(note.startswith("rc:10: ") for note in notes(made)), notes(made)
    entries(made)


@pytest.mark.parametrize(
    ("line", "option"),
    [
        ("MaxSize 10k", "limit 10240"),
        ("MaxSize 1M", "limit 1048576"),
        ("MaxSize 0", "leave-unread"),
        ("CopyArrivalDate no", "leave-unread"),
        ("Expunge None", "leave-unread"),
    ],
)
def test_an_option_of_the_channel_becomes_an_option(line: str, option: str) -> None:
    made = made_of(f"{USUAL}{line}\n")
    assert option in entries(made)
    last = USUAL.count("\n") + 1
    assert not any(note.startswith(f"rc:{last}: ") for note in notes(made))


@pytest.mark.parametrize(
    "line", ["Expunge Near", "Remove Near", "MaxMessages 50", "MaxSize x", "SyncState x", "Odd 1"]
)
def test_the_rest_of_a_channel_is_named_with_its_line(line: str) -> None:
    made = made_of(f"{USUAL}{line}\n")
    last = USUAL.count("\n") + 1
    assert any(note.startswith(f"rc:{last}: ") for note in notes(made)), notes(made)


@pytest.mark.parametrize(
    ("patterns", "style", "doubts"),
    [
        ("*", "Maildir++", ["INBOX too"]),
        ("* !Trash", "Maildir++", ['begin with "!"', "INBOX too"]),
        ("%", "Verbatim", ["INBOX too", "SubFolders Maildir++"]),
    ],
)
def test_patterns_become_a_tree_that_has_to_be_looked_at(
    patterns: str, style: str, doubts: list[str]
) -> None:
    text = USUAL.replace('INBOX Sent "Old/2025 a"', patterns).replace("Verbatim", style)
    made = made_of(text)
    name = patterns.split(maxsplit=1)[0]
    assert entries(made).startswith("skip ")
    assert f'folder "{name}"\n    leave-unread\n    keep-tree\n    maildir "~/Mail/Inbox"' in (
        entries(made)
    )
    (note,) = [note for note in notes(made) if "INBOX too" in note]
    assert all(doubt in note for doubt in doubts)


def test_patterns_below_a_path_keep_their_places_and_are_polled() -> None:
    text = USUAL.replace('INBOX Sent "Old/2025 a"', "*").replace("Verbatim", "Maildir++")
    made = made_of(text.replace("Account work\n", "Account work\nPath Lists/\n"))
    assert entries(made).startswith("poll ")
    assert 'folder "Lists/*"' in entries(made)


@pytest.mark.parametrize(
    ("near", "options", "path"),
    [
        (":near:", "Inbox ~/In", "~/In"),
        (":near:", "", "~/Maildir"),
        (":near:Work", "Path /var/mail/", "/var/mail/Work"),
        (":near:a/b", "Path ~/M/\nSubFolders Verbatim", "~/M/a/b"),
        (":near:a/b", "Path ~/M/\nFlatten .", "~/M/a.b"),
        (":near:a/b", "Inbox ~/M\nSubFolders Maildir++", "~/M/.a.b"),
        (":near:INBOX/b", "Inbox ~/M\nSubFolders Maildir++", "~/M/..b"),
        (":near:INBOX/b", "Inbox ~/M\nSubFolders Verbatim", "~/M/b"),
    ],
)
def test_one_mailbox_goes_where_mbsync_stores_it(near: str, options: str, path: str) -> None:
    text = (
        f"IMAPStore far\nHost h\nUser joe\nPass x\n\nMaildirStore near\n{options}\n\n"
        f"Channel c\nMaster :far:Lists\nSlave {near}\nSync Pull New\n"
    )
    made = made_of(text)
    assert entries(made).startswith("poll ")
    assert f'folder "Lists"\n    leave-unread\n    maildir "{path}"' in entries(made)


@pytest.mark.parametrize(
    ("near", "options", "why"),
    [
        (":near:Work", "Path Mail/", "depends on the folder"),
        (":near:a/b", "Path ~/M/", "folders of a folder"),
        (":near:a/b", "Path ~/M/\nSubFolders Legacy", "folders of a folder"),
        (":near:$a", "Path ~/M/", "where mail goes"),
    ],
)
def test_a_place_that_is_not_certain_is_not_polled(near: str, options: str, why: str) -> None:
    text = (
        f"IMAPStore far\nHost h\nUser joe\nPass x\n\nMaildirStore near\n{options}\n\n"
        f"Channel c\nFar :far:\nNear {near}\nSync PullNew\n"
    )
    made = made_of(text)
    assert entries(made).startswith("skip ")
    assert any(why in note for note in notes(made))


def test_what_leads_elsewhere_and_what_is_in_no_channel_is_named() -> None:
    made = made_of(
        "IMAPStore a\nHost h\n\nIMAPStore b\nHost i\n\nMaildirStore m\n\n"
        "Channel c\nFar :a:\nNear :b:\n\nGroup g c\n"
    )
    assert made.entries == []
    said = notes(made)
    assert any('"c" does not lead from an IMAP store to a Maildir' in note for note in said)
    assert any('"m" is in no channel' in note for note in said)
    assert any("groups are not translated" in note for note in said)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("Channel\n", "rc:1: "),
        ("\nChannel x\nFar y\n", "rc:3: "),
        ("MaildirStore x\n\nPath y\n", "rc:3: "),
    ],
)
def test_a_file_that_mbsync_refuses_is_refused(text: str, place: str) -> None:
    with pytest.raises(Untranslatable) as caught:
        made_of(text)
    assert str(caught.value).startswith(place)


def test_words_are_quoted_and_escaped_as_in_mbsync() -> None:
    assert words_of('  a "b c" d\\ e "\\"f" # g') == ["a", "b c", "d e", '"f']
    assert words_of('Pass "a#b" c#d ""') == ["Pass", "a#b", "c#d", ""]
    assert words_of("# nothing") == []
