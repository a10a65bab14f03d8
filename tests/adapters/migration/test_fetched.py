"""The lists of fetched messages of other programs, and whose they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailhaul.adapters.config.load import load
from mailhaul.adapters.config.settings import AccountSettings
from mailhaul.adapters.migration.fetched import READERS, FetchedList, oldmail, uidls
from mailhaul.adapters.migration.new_rcfile import Untranslatable
from tests.adapters.migration.translated import CALLER


def account(rc: str) -> AccountSettings:
    [settings] = load(["-f", "-", "--configdump"], CALLER, rc.encode).accounts
    return settings


POP3 = account("poll Pop.example.org protocol pop3 user joe password x\n")
OTHER = account("poll pop.example.org protocol pop3 user joanna password x\n")
IMAP = account('poll imap.example.org protocol imap user joe folder INBOX "A/B" password x\n')


def whose(one: FetchedList, *accounts: AccountSettings) -> list[list[str]]:
    return [list(one.mailboxes_of(settings)) for settings in accounts]


def test_the_lists_of_mpop() -> None:
    text = b"# made by mpop\n#\n 2 pop.example.org joe\nb\na\n 1 x y\n#c 1700000000\n"
    first, second = uidls(text, "f")
    assert (first.uids, whose(first, POP3, OTHER)) == ({0: [b"b", b"a"]}, [["INBOX"], []])
    # From version 1.4.23 on, a time follows each UID.
    assert (second.uids, second.label) == ({0: [b"#c"]}, "y@x")


@pytest.mark.parametrize(
    ("text", "line"),
    [(b"a\n", 1), (b" 2 h u\na\n", 2), (b" x h u\n", 1), (b" 2 h u\na\n 1 h v\nb\n", 3)],
)
def test_a_list_of_mpop_with_an_error_names_the_line(text: bytes, line: int) -> None:
    with pytest.raises(Untranslatable, match=f"^f:{line}: "):
        list(uidls(text, "f"))


def test_the_lists_of_getmail_over_pop3() -> None:
    [one] = oldmail(b"u-1\x001700000000\nx\x001\nmalformed\n", "/d/oldmail-pop.example.org-110-joe")
    assert one.uids == {0: [b"u-1", b"x"]}
    assert one.also == (b"u/1",)
    assert whose(one, POP3, OTHER) == [["INBOX"], []]


def test_the_lists_of_getmail_over_imap() -> None:
    text = b"17/4\x001\n17/5\x001\n16/INBOX/9\x001\n"
    [one] = oldmail(text, "/d/oldmail-imap.example.org-993-joe-A.B")
    assert one.uids == {17: [4, 5], 16: [9]}
    assert whose(one, IMAP) == [["A/B"]]
    [one] = oldmail(text, "/d/oldmail-imap.example.org-993-joe-Trash")
    assert whose(one, IMAP) == [[]]


def test_a_pattern_has_each_mailbox_that_may_be_meant() -> None:
    [one] = oldmail(b"17/4\x001\n", "/d/oldmail-imap.example.org-143-joe-A.B")
    every = account('poll imap.example.org protocol imap user joe folder "*" password x\n')
    assert whose(one, every) == [["A.B", "A/B"]]


def test_at_this_machine_each_port_is_another_server() -> None:
    [one] = oldmail(b"a\x001\n", "/d/oldmail-localhost-1100-joe")
    ports = (1100, 1101)
    accounts = (
        account(f"poll localhost service {port} protocol pop3 user joe password x\n")
        for port in ports
    )
    assert whose(one, *accounts) == [["INBOX"], []]


def test_an_empty_list_of_getmail_is_none() -> None:
    assert list(oldmail(b"", "/d/oldmail-x-110-joe")) == []


def test_the_usual_places(tmp_path: Path) -> None:
    home = tmp_path
    (home / ".fetchids").write_text("joe@pop.example.org a\njoe@pop.example.org b\n")
    (home / ".getmail").mkdir()
    (home / ".getmail" / "oldmail-pop.example.org-995-joe").write_bytes(b"c\x001\n")
    (home / ".getmail" / "getmailrc").write_text("[retriever]\n")
    (home / ".mpoprc").write_text(
        "account a\nhost pop.example.org\nuser joe\nuidls_file ~/u/%U-%H\n"
    )
    (home / "u").mkdir()
    (home / "u" / "joe-pop.example.org").write_text(" 1 pop.example.org joe\nd\n")
    (home / ".fdm.conf").write_text(
        'account "a" pop3 server "pop.example.org" user "joe" pass "x" new-only cache "~/c"\n'
    )
    (home / "c").write_text("1 e\n2 ff\n")
    found = {name: list(read((), str(home))) for name, read in READERS.items()}
    assert {name: [one.uids[0] for one in lists] for name, lists in found.items()} == {
        "fetchmail": [[b"a", b"b"]],
        "getmail": [[b"c"]],
        "mpop": [[b"d"]],
        "fdm": [[b"e", b"ff"]],
    }
    for lists in found.values():
        assert whose(lists[0], POP3, OTHER) == [["INBOX"], []]


def test_a_cache_of_fdm_with_an_error_names_the_line(tmp_path: Path) -> None:
    conf = tmp_path / "conf"
    conf.write_text(
        f'account "a" pop3 server "p" user "j" pass "x" new-only cache "{tmp_path}/c"\n'
    )
    (tmp_path / "c").write_text("1 e\n3 ff\n")
    with pytest.raises(Untranslatable, match=":2: "):
        list(READERS["fdm"]([str(conf)], str(tmp_path)))
