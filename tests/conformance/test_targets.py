"""The words for a target are understood, or refused with the next step."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace

import pytest

from mailhaul.conformance.environment import User
from mailhaul.conformance.faults import WrongUse
from mailhaul.conformance.targets import Place, TargetWords, make_target, parse_place, place_of
from mailhaul.flows.requests import Pipe, Tcp, UnixSocket

PLACES = {
    ("pop3", "localhost"): Place(Tcp("localhost", 110), "localhost"),
    ("pop3", "localhost:1100"): Place(Tcp("localhost", 1100), "localhost"),
    ("pop3", "tls://mail.example.org"): Place(
        Tcp("mail.example.org", 995), "mail.example.org", wrapped=True
    ),
    ("imap", "starttls://[::1]"): Place(Tcp("::1", 143), "::1", starttls=True),
    ("imap", "tls://[::1]:9993"): Place(Tcp("::1", 9993), "::1", wrapped=True),
    ("smtp", "tls://mx"): Place(Tcp("mx", 465), "mx", wrapped=True),
    ("smtp", "mx"): Place(Tcp("mx", 25), "mx"),
    ("lmtp", "mx"): Place(Tcp("mx", 24), "mx"),
    ("lmtp", "unix:/run/lmtp"): Place(UnixSocket("/run/lmtp"), "localhost"),
}


@pytest.mark.parametrize(("protocol", "text"), PLACES)
def test_a_place_is_read(protocol: str, text: str) -> None:
    assert parse_place(protocol, text) == PLACES[protocol, text]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("unix:run/lmtp", "full path"),
        ("ssl://mx", "ssl:// is not known"),
        ("mx:pop", '"pop" is no port'),
        ("mx:0", '"0" is no port'),
        ("mx:65536", "1 to 65535"),
        ("::1", "in brackets"),
        (":110", "is no target"),
        ("mx/110", "is no target"),
    ],
)
def test_a_wrong_place_is_refused(text: str, words: str) -> None:
    with pytest.raises(WrongUse) as refusal:
        parse_place("pop3", text)
    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_tls_needs_a_port_where_none_is_usual() -> None:
    with pytest.raises(WrongUse, match="add it"):
        parse_place("lmtp", "tls://mx")


COMMANDS = {
    ("", "imapd -c 'a b'"): ("imapd", "-c", "a b"),
    ("mx:99", "ssh -W %h:%p gate"): ("ssh", "-W", "mx:99", "gate"),
    ("mx", "nc %h %p 100%%"): ("nc", "mx", "110", "100%"),
}


@pytest.mark.parametrize(("place", "command"), COMMANDS)
def test_a_command_is_split_like_a_shell_word_list(place: str, command: str) -> None:
    assert place_of("pop3", place, command).address == Pipe(COMMANDS[place, command])


def test_tls_may_go_through_a_command() -> None:
    place = place_of("pop3", "tls://mx", "nc %h %p")
    assert (place.address, place.wrapped, place.host) == (Pipe(("nc", "mx", "995")), True, "mx")


@pytest.mark.parametrize(
    ("place", "command", "words"),
    [
        ("", "nc %h", "host:port as well"),
        ("", "'open", "No closing quotation"),
        ("", " ", "is empty"),
        ("", "", "no target"),
    ],
)
def test_a_wrong_command_is_refused(place: str, command: str, words: str) -> None:
    with pytest.raises(WrongUse, match=words):
        place_of("pop3", place, command)


def test_users_and_passwords(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"open sesame\r\nmore\n")
    (tmp_path / "two").write_bytes(b"abracadabra")
    words = TargetWords(
        place="mx",
        user="joe",
        password_file=str(tmp_path / "one"),
        user2="ann",
        password_file2=str(tmp_path / "two"),
        without=["stls"],
    )
    target = make_target("pop3", words)
    assert target.user == User(b"joe", b"open sesame")
    assert target.other_user == User(b"ann", b"abracadabra")
    assert target.without == {b"STLS"}


def test_both_passwords_may_come_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    stdin = SimpleNamespace(buffer=io.BytesIO(b"first\nsecond\n"))
    monkeypatch.setattr("sys.stdin", stdin)
    words = TargetWords("mx", user="a", password_file="-", user2="b", password_file2="-")
    target = make_target("pop3", words)
    assert target.user == User(b"a", b"first")
    assert target.other_user == User(b"b", b"second")


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (TargetWords("mx", user="joe"), "add --password-file FILE"),
        (TargetWords("mx", password_file="x"), "add --user NAME"),
        (TargetWords("mx", user2="joe"), "add --password-file2 FILE"),
        (TargetWords("mx", user="joe", password_file="/nowhere"), "No such file"),
        (TargetWords("mx", user="joe", password_file="/dev/null"), "no password"),
        (TargetWords("mx", ca="/nowhere"), "no such file"),
        (TargetWords("mx", mail="spool"), "maildir:PATH"),
        (TargetWords("mx", mail="command:"), "maildir:PATH"),
        (TargetWords("tls://mx", plain="tls://mx"), "without TLS"),
    ],
)
def test_wrong_words_are_refused(words: TargetWords, problem: str) -> None:
    with pytest.raises(WrongUse) as refusal:
        make_target("pop3", words)
    assert problem in str(refusal.value)


def test_a_target_without_a_user_is_fine() -> None:
    target = make_target("smtp", TargetWords("mx", recipients=["a@b"], plain="mx:2525"))
    assert (target.user, target.port25, target.recipients) == (None, True, [b"a@b"])
    assert target.plain == Tcp("mx", 2525)
