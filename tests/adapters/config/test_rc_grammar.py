"""The meaning of the statements of an rc file."""

from __future__ import annotations

import pytest

from mailhaul.adapters.config.grammar import parse
from mailhaul.adapters.config.statements import Entry, RcFile


def read(text: str) -> RcFile:
    return parse(text.encode(), "rc", "/rc/folder")


def entry(text: str) -> Entry:
    (found,) = read(text).entries
    return found


def user(options: str) -> dict[str, object]:
    (found,) = entry(f"poll h {options}").users
    return found.values


def server(options: str) -> dict[str, object]:
    return entry(f"poll h {options}").server.values


def test_an_empty_file_has_no_entries() -> None:
    rc = read("# nothing\n")
    assert (rc.entries, rc.defaults, rc.globals.values) == ([], None, {})


def test_poll_and_server_are_the_same_and_skip_is_remembered() -> None:
    rc = read("poll a server b skip c")
    assert [(e.pollname, e.skip) for e in rc.entries] == [("a", False), ("b", False), ("c", True)]


def test_the_same_server_twice_makes_two_entries() -> None:
    assert [e.pollname for e in read("poll a poll a").entries] == ["a", "a"]


def test_an_entry_without_user_options_has_one_unnamed_user() -> None:
    assert [u.values for u in entry("poll h proto imap").users] == [{}]


def test_each_named_user_has_fresh_options() -> None:
    users = entry("poll h user a keep user b ssl").users
    assert [u.values for u in users] == [
        {"remote_user": "a", "keep": True}, {"remote_user": "b", "ssl": True},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("user joe", {"remote_user": "joe"}),
        ("user joe there", {"remote_user": "joe"}),
        ("user joe here", {"local_names": (("joe", "joe"),)}),
        ("user a b=c here", {"local_names": (("a", "a"), ("b", "c"))}),
        ("user joe is ann", {"remote_user": "joe", "local_names": (("ann", "ann"),)}),
        ("user joe is ann there", {"remote_user": "ann"}),
        ("is a here to b here", {"local_names": (("a", "a"), ("b", "b"))}),
        ("is a = b", {"local_names": (("a", "b"),)}),
        ("is * joe", {"wildcard": True, "local_names": (("joe", "joe"),)}),
        ("is '*'", {"wildcard": True}),
        ("is a=*", {"local_names": (("a", "*"),)}),
        ("is keep keep", {"local_names": (("keep", "keep"),), "keep": True}),
    ],
)
def test_names_are_here_or_there(options: str, expected: dict[str, object]) -> None:
    assert user(options) == expected


def test_lists_grow_and_single_values_are_replaced() -> None:
    assert user("folder a b folder c limit 1 limit 2") == {
        "folders": ("a", "b", "c"), "limit": 2,
    }  # fmt: skip
    assert user("antispam 571 -1 antispam 550") == {"antispam": (571, -1, 550)}


def test_flags_are_switched_off_glued_or_apart() -> None:
    assert user("nokeep no fetchall no ssl") == {"keep": False, "fetchall": False, "ssl": False}


def test_no_tracepolls_means_no() -> None:
    assert server("no tracepolls") == {"tracepolls": False}
    assert read("set no showdots").globals.values == {"showdots": False}


def test_a_timeout_of_zero_is_not_chosen_but_a_limit_of_zero_is() -> None:
    assert server("timeout 30 timeout 0 interval 0") == {}
    assert user("limit 0") == {"limit": 0}
    assert user("limit -5") == {"limit": 0}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("service imaps", "imaps"), ("service 993", 993), ("service '993'", 993), ("port 143", 143),
    ],
)  # fmt: skip
def test_a_service_is_a_number_or_a_name(options: str, expected: object) -> None:
    assert server(options) == {"service": expected}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("envelope X-Env:", {"envelope": "X-Env"}),
        ('envelope "X-Env:"', {"envelope": "X-Env:"}),
        ("envelope 2 X", {"envelope": "X", "envelope_skip": 2}),
        ("envelope 2 X envelope Y", {"envelope": "Y"}),
        ("no envelope", {"envelope": None}),
        ("noenvelope", {"envelope": None}),
    ],
)
def test_an_envelope_has_a_header_and_a_count(options: str, expected: dict[str, object]) -> None:
    assert server(options) == expected


@pytest.mark.parametrize("word", ["auth", "authenticate", "preauth", "preauthenticate"])
def test_all_spellings_of_auth_mean_the_same(word: str) -> None:
    assert server(f"{word} cram") == {"auth": "cram-md5"}


@pytest.mark.parametrize(
    ("value", "expected"),
    [("mail", "/rc/folder/mail"), ("/mail", "/mail"), ("-", "-"), ("''", "")],
)
def test_paths_are_relative_to_the_folder_of_the_file(value: str, expected: str) -> None:
    assert user(f"bsmtp {value}") == {"bsmtp": expected}
    assert read(f"set logfile = {value}").globals.values == {"logfile": expected}


def test_paths_stay_as_they_are_without_a_folder() -> None:
    (found,) = parse(b"poll h sslkey k", "rc").entries
    assert found.users[0].values == {"sslkey": "k"}


def test_global_options_may_stand_between_entries() -> None:
    rc = read('set daemon 30 poll a set postmaster="" poll b set no bouncemail set nospambounce')
    assert [e.pollname for e in rc.entries] == ["a", "b"]
    assert rc.globals.values == {
        "daemon": 30, "postmaster": "", "bouncemail": False, "spambounce": False,
    }  # fmt: skip


def test_defaults_are_kept_apart() -> None:
    rc = read("set syslog defaults proto pop3 user joe keep poll h")
    assert rc.defaults is not None
    assert rc.defaults.server.values == {"protocol": "pop3"}
    assert [u.values for u in rc.defaults.users] == [{"remote_user": "joe", "keep": True}]
    assert len(rc.entries) == 1


def test_the_offset_of_each_value_is_recorded() -> None:
    rc = read("poll h\n\tproto imap\nuser joe\n  limit 5")
    (found,) = rc.entries
    assert str(rc.source.place(found.offset)) == "rc:1:1"
    assert str(rc.source.place(found.server.places["protocol"])) == "rc:2:2"
    assert str(rc.source.place(found.users[0].places["limit"])) == "rc:4:3"


def test_a_byte_order_mark_is_skipped() -> None:
    (found,) = parse(b"\xef\xbb\xbfpoll h", "rc").entries
    assert found.pollname == "h"


def test_a_password_that_opens_a_quote_is_taken_with_a_warning() -> None:
    rc = read('poll h pass "s3cret\nkeep\n')
    secret = rc.entries[0].users[0].values["password"]
    assert repr(secret) == "Secret(...)"
    assert [str(w) for w in rc.warnings] == [
        "rc:1:13: warning: this quote is never closed and counts as part of the word"
    ]
