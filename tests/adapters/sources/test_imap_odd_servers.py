"""Servers that require ID, have read-only mailboxes, or send texts for the user."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailhaul import imap
from mailhaul.adapters.sources.imap_words import ServerTexts
from mailhaul.flows.outcome import ExitCode
from mailhaul.protocols.secret import Secret

from .scripted import MESSAGE, Script, World

UNSAFE = b"TAG NO SELECT Unsafe Login. Please contact kefu@example.org\r\n"
READ_ONLY = b"* 2 EXISTS\r\n* OK [UIDVALIDITY 1] x\r\nTAG OK [READ-ONLY] done\r\n"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, Script({1: MESSAGE, 2: MESSAGE}, b"UIDPLUS ID"))


# ID


def until_identified(script: Script, arguments: bytes) -> bytes:
    if not any(b" ID (" in line for line in script.heard):
        return UNSAFE
    return script.usual("SELECT", arguments) + b"TAG OK [READ-WRITE] done\r\n"


@pytest.mark.parametrize(
    "answer", [b"* ID NIL\r\nTAG OK\r\n", b"TAG NO what\r\n", b"TAG BAD x\r\n"]
)
def test_a_server_that_requires_id_gets_it(world: World, answer: bytes) -> None:
    world.script.answers |= {"SELECT": until_identified, "ID": answer}

    assert world.poll() is ExitCode.SUCCESS

    assert len(world.delivered) == 2
    (line,) = world.heard(b"ID")
    assert line.startswith(b'ID ("name" "mailhaul" "version" "')


def test_id_is_sent_even_if_it_is_not_announced(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.script.answers |= {"SELECT": until_identified, "ID": b"TAG OK\r\n"}
    assert world.poll() is ExitCode.SUCCESS


def test_id_is_sent_once_and_only_to_servers_that_require_it(world: World) -> None:
    world.script.answers["SELECT"] = b"TAG NO there is none\r\n"
    assert "there is none" in str(world.fails(mailboxes=("a",)))
    assert len(world.heard(b"ID")) == 1
    assert len(world.heard(b"SELECT")) == 2
    world.script.heard.clear()
    world.script.answers.clear()
    world.poll()
    assert world.heard(b"ID") == []


# Read-only


def test_with_keep_a_read_only_mailbox_is_read_and_recorded(world: World) -> None:
    world.script.answers["SELECT"] = READ_ONLY
    world.script.flags[2] = {b"\\Seen"}

    assert world.poll(keep=True) is ExitCode.SUCCESS
    assert len(world.delivered) == 1
    assert world.heard(b"UID STORE") == []
    assert world.said == []

    assert world.poll(keep=True) is ExitCode.NOMAIL
    assert len(world.delivered) == 1

    world.script.messages[3] = MESSAGE
    assert world.poll(keep=True) is ExitCode.SUCCESS
    assert len(world.delivered) == 2
    assert world.heard(b"UID FETCH 3 ")


def test_without_keep_a_read_only_mailbox_is_not_read(world: World) -> None:
    world.script.answers["SELECT"] = READ_ONLY
    assert world.fails().code is ExitCode.LOCKBUSY


def test_a_mailbox_that_becomes_writable_is_marked_again(world: World) -> None:
    world.script.answers["SELECT"] = [READ_ONLY, b"* 2 EXISTS\r\nTAG OK [READ-WRITE] x\r\n"]
    world.poll(keep=True)
    world.poll(keep=True)
    assert world.heard(b"UID STORE")


# Words


def test_an_alert_reaches_the_user_once(world: World) -> None:
    alert = b"* OK [ALERT] mailbox is at 92% of its quota\r\n"
    world.script.answers["SELECT"] = alert * 2 + b"* 2 EXISTS\r\n" + alert + b"TAG OK done\r\n"
    world.poll()
    assert world.said == ["server: the server says: mailbox is at 92% of its quota"]
    world.poll()
    assert len(world.said) == 2


@pytest.mark.parametrize("place", ["LOGIN", "SELECT", "UID SEARCH", "greeting"])
def test_an_alert_may_come_anywhere(world: World, place: str) -> None:
    words = b"OK [ALERT] going down at noon\r\n"
    if place == "greeting":
        world.script.greeting = b"* " + words
    else:
        world.script.answers[place] = b"* " + words + b"* 0 EXISTS\r\nTAG OK [ALERT] other\r\n"
    world.poll()
    assert world.said[0] == "server: the server says: going down at noon"


def test_the_alert_of_a_refused_login_is_shown_only_if_another_method_succeeds() -> None:
    said: list[str] = []
    texts = ServerTexts("server", lambda event: said.append(str(event)))
    login = imap.Login(b"joe", Secret(b"x"))
    alert = imap.Code(b"ALERT")
    refused = imap.Completed(login, imap.Condition.NO, alert, b"no app password")
    texts.returned(refused)
    assert said == []
    texts.returned(imap.Completed(login, imap.Condition.OK, None, b"welcome"))
    assert len(said) == 1
    assert "the server says: no app password" in said[0]
    texts.returned(refused)
    texts.clear()
    texts.returned(imap.Completed(login, imap.Condition.OK, None, b"welcome"))
    assert len(said) == 1


def test_the_number_of_alerts_shown_is_limited(world: World) -> None:
    alerts = b"".join(b"* OK [ALERT] number %d\r\n" % number for number in range(99))
    world.script.answers["SELECT"] = alerts + b"TAG OK\r\n"
    world.poll()
    assert len(world.said) == 10


@pytest.mark.parametrize(
    ("words", "quoted"),
    [
        (b"* BAD enable IMAP access in your settings\r\n", True),
        (b"* NO enable IMAP access in your settings\r\n", True),
        (b"* OK [ALERT] enable IMAP access in your settings\r\n", True),
        (b"* OK enable IMAP access in your settings\r\n", False),
    ],
)
def test_an_error_text_before_a_silence_is_reported(
    world: World, words: bytes, quoted: bool
) -> None:
    world.script.answers |= {"SELECT": words, "UID SEARCH": b""}
    failed = str(world.fails())
    assert "timeout" in failed
    assert ("the server said before: enable IMAP access in your settings" in failed) is quoted


def test_an_error_text_before_a_success_is_not_reported(world: World) -> None:
    world.script.answers |= {"LOGIN": b"* NO not so fast\r\nTAG OK in\r\n", "SELECT": b"\r\n"}
    assert "not so fast" not in str(world.fails())


@pytest.mark.parametrize(
    ("greeting", "code"),
    [
        (b"421 Server is busy, try again later.", ExitCode.SERVBUSY),
        (b"421 too many connections", ExitCode.SERVBUSY),
        (b" NO LOGOUT Intrusion prevention active", ExitCode.SERVBUSY),
        (b"* BYE [UNAVAILABLE] not now", ExitCode.SERVBUSY),
        (b"* BYE too many connections", ExitCode.SERVBUSY),
        (b"* BYE not for you", ExitCode.SOCKET),
        (b"220 mail.example.org ESMTP", ExitCode.PROTOCOL),
        (b"421 mail.example.org", ExitCode.PROTOCOL),
    ],
)
def test_a_server_that_refuses_connections_for_now_is_busy(
    world: World, greeting: bytes, code: ExitCode
) -> None:
    world.script.greeting = greeting + b"\r\n"
    failed = world.fails()
    assert failed.code is code
    assert ("SMTP" in str(failed)) == (code is ExitCode.PROTOCOL)


def test_the_text_of_a_busy_server_is_quoted(world: World) -> None:
    world.script.greeting = b"421 Server is busy, try again later.\r\n"
    assert str(world.fails()) == (
        "server: the server refuses the connection: 421 Server is busy, try again later."
    )


@pytest.mark.parametrize("condition", [b"NO", b"BAD"])
@pytest.mark.parametrize("verb", ["SELECT", "EXAMINE"])
def test_a_mailbox_that_is_not_there_for_a_good_login_is_explained(
    world: World, condition: bytes, verb: str
) -> None:
    """As Exchange says it, for a mailbox without IMAP, without a license, or of another user."""
    world.script.answers[verb] = b"TAG %b User is authenticated but not connected.\r\n" % condition
    failure = str(world.fails(check_only=verb == "EXAMINE"))
    assert "User is authenticated but not connected.; the login is good, but" in failure
    assert "IMAP is switched off for the mailbox" in failure
    assert "the token is that of another user" in failure


def test_where_marks_do_not_last_the_ledger_records_what_was_read(tmp_path: Path) -> None:
    world = World(tmp_path)
    flags = b"* OK [PERMANENTFLAGS (\\Answered \\Deleted)] limited\r\n"
    selected = b"* 1 EXISTS\r\n" + flags + b"* OK [UIDVALIDITY 1] ok\r\nTAG OK done\r\n"
    world.script.answers |= {"SELECT": selected, "UID STORE": b"TAG OK for this session\r\n"}
    assert world.poll(keep=True) is ExitCode.SUCCESS
    assert world.poll(keep=True) is ExitCode.NOMAIL
    assert len(world.delivered) == 1
