"""POP3 servers that violate the RFCs, and how a poll handles them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from mailhaul.adapters.login.access import TlsMode
from mailhaul.flows.outcome import ExitCode
from mailhaul.protocols.smtp.commands import EndOfData
from mailhaul.protocols.smtp.events import Reply
from mailhaul.servers.smtp import HangUp as Gone
from tests.adapters.sources.pop3_scripts import (
    PIPELINED,
    PLAIN,
    Answer,
    HangUp,
    Server,
    World,
    letter,
    lines,
)

WAYS = pytest.mark.parametrize("capabilities", [PLAIN, PIPELINED], ids=["serial", "pipelined"])


def letters(count: int) -> list[bytes]:
    return [letter(number, b"text %d\r\n" % number) for number in range(1, count + 1)]


# Empty lines


def before(verb: bytes) -> Answer:
    return lambda server, rest: b"\r\n" + server.right_answer(verb, rest)


@WAYS
@pytest.mark.parametrize("verb", [b"USER", b"STAT", b"UIDL", b"LIST", b"TOP", b"DELE", b"QUIT"])
def test_an_empty_line_before_a_reply_is_ignored(
    tmp_path: Path, capabilities: Sequence[bytes], verb: bytes
) -> None:
    world = World(tmp_path, Server(letters(4), {verb: before(verb)}, capabilities))
    assert world.poll() is ExitCode.SUCCESS
    assert sorted(world.bodies()) == [b"text %d\r\n" % n for n in range(1, 5)]
    for _ in range(2):
        world.poll()
    assert (world.server.messages, len(world.received.messages)) == ([], 4)


@WAYS
@pytest.mark.parametrize("verb", [b"TOP", b"DELE", b"STAT", b"LIST", b"UIDL"])
def test_an_empty_line_in_place_of_a_reply_loses_nothing(
    tmp_path: Path, capabilities: Sequence[bytes], verb: bytes
) -> None:
    """The following replies belong to other commands than they seem to."""
    served: list[bytes] = []

    def once(server: Server, rest: bytes) -> bytes | None:
        served.append(rest)
        return b"\r\n" if len(served) == 2 or verb in {b"STAT", b"LIST", b"UIDL"} else None

    sizes = [letter(n, b"text %d\r\n" % n + b"x\r\n" * (n % 2)) for n in range(1, 7)]
    world = World(tmp_path, Server(list(sizes), {verb: once}, capabilities))
    world.poll()
    world.server.odd = {}
    for _ in range(2):
        world.poll()
    assert world.server.messages == []
    assert set(world.bodies()) == {text.partition(b"\r\n\r\n")[2] for text in sizes}
    # Nothing that was refused or doubted came under another name.
    for one in world.received.messages:
        number = one.text.split(b"Subject: ")[1].split(b"\r\n")[0]
        assert b"text %b\r\n" % number in one.text


@WAYS
def test_an_empty_maildrop_whose_listing_is_refused_has_no_mail(
    tmp_path: Path, capabilities: Sequence[bytes]
) -> None:
    def refuse(server: Server, rest: bytes) -> bytes:
        return b"-ERR no messages\r\n"

    world = World(tmp_path, Server([], {b"UIDL": refuse, b"LIST": refuse}, capabilities))
    assert world.poll() is ExitCode.NOMAIL
    assert world.server.heard[-1] == b"QUIT"


def test_a_session_with_an_unanswered_command_ends_with_quit(tmp_path: Path) -> None:
    odd: dict[bytes, Answer] = {
        b"DELE": lambda server, rest: b"\r\n" if server.uids[int(rest) - 1] == b"u1" else None
    }
    world = World(tmp_path, Server(letters(1), odd))
    assert world.poll() is ExitCode.PROTOCOL
    assert "an empty line came in place of the reply to DELE 1" in world.said
    assert world.server.heard[-1] == b"QUIT"
    assert world.subjects() == [b"1"]


def test_empty_lines_without_end_are_given_up(tmp_path: Path) -> None:
    odd: dict[bytes, Answer] = {b"STAT": lambda server, rest: b"\r\n" * 1000}
    world = World(tmp_path, Server(letters(1), odd))
    assert world.poll() is ExitCode.PROTOCOL
    assert "empty lines between replies exceeds the limit of 8" in world.said


# QUIT in one write with the last deletions


def at_the_second(answer: Callable[[], bytes]) -> dict[bytes, Answer]:
    return {b"DELE": lambda server, rest: answer() if rest == b"2" else None}


def hang_up() -> bytes:
    raise HangUp(b"")


def test_a_refused_deletion_before_quit_is_repeated_by_the_next_poll(tmp_path: Path) -> None:
    odd = at_the_second(lambda: b"-ERR not now\r\n")
    world = World(tmp_path, Server(letters(3), odd, PIPELINED))
    assert world.poll() is ExitCode.SUCCESS
    assert world.server.heard[-4:] == [b"DELE 1", b"DELE 2", b"DELE 3", b"QUIT"]
    assert "the server does not delete a message: not now" in world.said
    assert world.server.messages == letters(3)[1:2]
    world.server.odd = {}
    world.poll()
    assert (world.server.messages, world.subjects()) == ([], [b"1", b"2", b"3"])


def test_a_connection_that_breaks_at_the_last_deletions_confirms_none(tmp_path: Path) -> None:
    world = World(tmp_path, Server(letters(3), at_the_second(hang_up), PIPELINED))
    assert world.poll() is ExitCode.SUCCESS
    assert "3 deletion(s) were not confirmed at QUIT" in world.said
    assert (len(world.server.messages), b"QUIT" in world.server.heard) == (3, False)
    world.server.odd = {}
    assert world.poll() is ExitCode.NOMAIL
    assert (world.server.messages, world.subjects()) == ([], [b"1", b"2", b"3"])


def test_a_lost_reply_to_a_deletion_before_quit_confirms_none(tmp_path: Path) -> None:
    """The reply to QUIT takes its place, and is not taken for that to QUIT."""
    world = World(tmp_path, Server(letters(3), at_the_second(lambda: b""), PIPELINED))
    assert world.poll() is ExitCode.SUCCESS
    assert "3 deletion(s) were not confirmed at QUIT" in world.said
    # Each poll lists anew: what the server has removed needs no deletion.
    assert world.poll() is ExitCode.NOMAIL
    assert world.subjects() == [b"1", b"2", b"3"]


# A server that deletes what is read

WITHOUT_TOP = (b"USER", b"UIDL", b"EXPIRE 0")


def refusing(world: World, *numbers: int) -> None:
    """Let the listener refuse the messages at these positions."""
    seen: list[int] = []

    def policy(heard: Any) -> Reply | Gone | None:
        if not isinstance(heard, EndOfData):
            return None
        seen.append(len(seen) + 1)
        return Reply(552, (b"too large",)) if seen[-1] in numbers else None

    world.received.policy = policy


@pytest.mark.parametrize("pipelining", [(), (b"PIPELINING",)])
@pytest.mark.parametrize("announced", [(), (b"TOP",)], ids=["no TOP", "TOP refused"])
def test_after_a_refusal_there_is_no_quit_if_the_server_deletes_what_was_read(
    tmp_path: Path, pipelining: Sequence[bytes], announced: Sequence[bytes]
) -> None:
    odd: dict[bytes, Answer] = {b"TOP": lambda server, rest: b"-ERR unknown\r\n"}
    capabilities = (*WITHOUT_TOP, *announced, *pipelining)
    server = Server(letters(3), odd, capabilities, deletes_what_is_read=True)
    world = World(tmp_path, server)
    refusing(world, 2)
    assert world.poll() is ExitCode.SUCCESS
    assert world.server.messages == [letters(3)[1]]
    assert "without QUIT" in world.said
    world.received.policy = None
    world.poll()
    assert (world.subjects(), world.server.messages) == ([b"1", b"3", b"2"], [])


def test_if_all_was_accepted_there_is_one_session_with_quit(tmp_path: Path) -> None:
    server = Server(letters(3), {}, WITHOUT_TOP, deletes_what_is_read=True)
    world = World(tmp_path, server)
    assert world.poll() is ExitCode.SUCCESS
    assert (server.sessions, server.heard[-1], server.messages) == (1, b"QUIT", [])


def test_kept_messages_are_not_deleted_by_reading_them(tmp_path: Path) -> None:
    server = Server(letters(3), {}, WITHOUT_TOP, deletes_what_is_read=True)
    world = World(tmp_path, server)
    assert world.poll(keep=True) is ExitCode.SUCCESS
    assert (len(server.messages), b"QUIT" in server.heard) == (3, False)
    assert world.poll(keep=True) is ExitCode.NOMAIL


def test_capabilities_may_differ_between_users(tmp_path: Path) -> None:
    def of_this_user(server: Server, rest: bytes) -> bytes:
        known = b"EXPIRE 0" if b"PASS" in server.verbs() else b"EXPIRE 30 USER"
        return lines(b"USER", b"UIDL", known)

    server = Server(letters(2), {b"CAPA": of_this_user}, deletes_what_is_read=True)
    world = World(tmp_path, server)
    refusing(world, 1)
    # Asked before the login as well.
    world.poll({"tls": TlsMode.OFFERED})
    assert world.server.messages == [letters(2)[0]]


# Servers that hang up


def refuses_and_hangs_up(server: Server, rest: bytes) -> bytes:
    raise HangUp(b"-ERR unknown command\r\n")


@pytest.mark.parametrize("tls", [TlsMode.NEVER, TlsMode.OFFERED])
@pytest.mark.parametrize("auth", ["any", "password"])
def test_a_server_that_hangs_up_on_capa_is_not_asked_again(
    tmp_path: Path, tls: TlsMode, auth: str
) -> None:
    world = World(tmp_path, Server(letters(2), {b"CAPA": refuses_and_hangs_up}))
    assert world.poll({"tls": tls, "auth": auth}) is ExitCode.SUCCESS
    assert (len(world.received.messages), world.server.sessions) == (2, 2)
    assert world.server.verbs().count(b"CAPA") == 1


def test_a_server_that_hangs_up_on_stls_is_used_without_tls_if_allowed(
    tmp_path: Path,
) -> None:
    capabilities = (*PLAIN, b"STLS")
    world = World(tmp_path, Server(letters(1), {b"STLS": refuses_and_hangs_up}, capabilities))
    assert world.poll({"tls": TlsMode.OFFERED}) is ExitCode.SUCCESS
    assert world.server.verbs().count(b"STLS") == 1
    required = World(tmp_path, Server(letters(1), {b"STLS": refuses_and_hangs_up}, capabilities))
    assert required.poll({"tls": TlsMode.REQUIRED}) is ExitCode.SOCKET
    assert (required.server.sessions, b"PASS" in required.server.verbs()) == (1, False)


def test_after_a_hang_up_on_a_mechanism_another_one_is_used(tmp_path: Path) -> None:
    capabilities = (*PLAIN, b"SASL CRAM-MD5")
    world = World(tmp_path, Server(letters(1), {b"AUTH": refuses_and_hangs_up}, capabilities))
    assert world.poll() is ExitCode.SUCCESS
    assert (world.server.verbs().count(b"AUTH"), world.server.sessions) == (1, 2)


def test_a_wrong_password_is_not_tried_on_another_connection(tmp_path: Path) -> None:
    def wrong(server: Server, rest: bytes) -> bytes:
        raise HangUp(b"-ERR [AUTH] no\r\n")

    capabilities = (*PLAIN, b"SASL CRAM-MD5")
    world = World(tmp_path, Server(letters(1), {b"AUTH": wrong, b"USER": wrong}, capabilities))
    world.poll()
    assert world.server.sessions == 1


def test_a_server_that_hangs_up_on_uidl_is_read_without(tmp_path: Path) -> None:
    odd: dict[bytes, Answer] = {b"UIDL": refuses_and_hangs_up}
    world = World(tmp_path, Server(letters(2), odd, (b"USER", b"TOP")))
    assert world.poll() is ExitCode.SUCCESS
    assert (world.server.messages, world.server.sessions) == ([], 2)
    kept = World(tmp_path / "kept", Server(letters(2), odd, (b"USER", b"TOP")))
    kept.folder.mkdir()
    assert kept.poll(keep=True) is ExitCode.PROTOCOL
    assert kept.received.messages == []


def test_a_server_that_always_hangs_up_is_given_up(tmp_path: Path) -> None:
    odd: dict[bytes, Answer] = {b"CAPA": refuses_and_hangs_up, b"USER": refuses_and_hangs_up}
    world = World(tmp_path, Server(letters(2), odd))
    assert world.poll() in {ExitCode.SOCKET, ExitCode.AUTHFAIL}
    assert world.server.sessions <= 3


# Lines of a listing


@pytest.mark.parametrize(
    "line", [b"2", b"2 ", b"two u2", b"", b"2 " + b"u" * 2000, b"99999999999999999999 u2"]
)
def test_a_message_without_id_does_not_delay_others(tmp_path: Path, line: bytes) -> None:
    odd: dict[bytes, Answer] = {b"UIDL": lambda server, rest: lines(b"1 u1", line, b"3 u3")}
    world = World(tmp_path, Server(letters(3), odd))
    assert world.poll() is ExitCode.SUCCESS
    assert (world.subjects(), world.server.messages) == ([b"1", b"2", b"3"], [])


@pytest.mark.parametrize("line", [b"2", b"2 many", b"two 80", b""])
def test_a_message_without_size_does_not_delay_others(tmp_path: Path, line: bytes) -> None:
    odd: dict[bytes, Answer] = {b"LIST": lambda server, rest: lines(b"1 76", line, b"3 76")}
    world = World(tmp_path, Server(letters(3), odd))
    assert world.poll() is ExitCode.SUCCESS
    assert (world.subjects(), world.server.messages) == ([b"1", b"2", b"3"], [])


def test_with_keep_messages_without_id_are_left_and_reported(tmp_path: Path) -> None:
    odd: dict[bytes, Answer] = {b"UIDL": lambda server, rest: lines(b"1 u1", b"2", b"3 u3")}
    world = World(tmp_path, Server(letters(3), odd))
    for _ in range(2):
        world.poll(keep=True)
    assert world.subjects() == [b"1", b"3"]
    assert "1 message(s) are left: without unique ids" in world.said


def test_with_keep_mail_that_arrives_between_uidl_and_list_waits_for_the_next_poll(
    tmp_path: Path,
) -> None:
    odd: dict[bytes, Answer] = {b"UIDL": lambda server, rest: lines(b"1 u1", b"2 u2")}
    world = World(tmp_path, Server(letters(3), odd))
    world.poll(keep=True)
    assert (world.subjects(), world.said) == ([b"1", b"2"], "")
    world.server.odd = {}
    world.poll(keep=True)
    assert world.subjects() == [b"1", b"2", b"3"]


def test_with_keep_an_empty_uidl_listing_is_an_error(tmp_path: Path) -> None:
    odd: dict[bytes, Answer] = {b"UIDL": lambda server, rest: lines()}
    world = World(tmp_path, Server(letters(3), odd))
    assert world.poll(keep=True) is ExitCode.PROTOCOL
    assert ("no keep" in world.said, world.received.messages) == (True, [])


# Codes before words


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (b"[AUTH] account locked", ExitCode.AUTHFAIL),
        (b"[AUTH] please wait before you try again", ExitCode.AUTHFAIL),
        (b"[SYS/PERM] mailbox locked for good", ExitCode.AUTHFAIL),
        (b"[IN-USE] wrong password", ExitCode.LOCKBUSY),
        (b"[SYS/TEMP/DISK] wrong password", ExitCode.LOCKBUSY),
        (b"[LOGIN-DELAY] no", ExitCode.LOCKBUSY),
        (b"maildrop is locked", ExitCode.LOCKBUSY),
    ],
)
def test_the_code_of_a_refusal_takes_precedence_over_its_text(
    tmp_path: Path, words: bytes, code: ExitCode
) -> None:
    odd: dict[bytes, Answer] = {b"PASS": lambda server, rest: b"-ERR %b\r\n" % words}
    world = World(tmp_path, Server(letters(1), odd))
    assert world.poll() is code


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (b"no", ExitCode.SOCKET),
        (b"access denied", ExitCode.SOCKET),
        (b"too many connections", ExitCode.SERVBUSY),
        (b"[IN-USE] no", ExitCode.LOCKBUSY),
        (b"[AUTH] no", ExitCode.AUTHFAIL),
    ],
)
def test_a_refused_connection_does_not_mean_a_wrong_password(
    tmp_path: Path, words: bytes, code: ExitCode
) -> None:
    world = World(tmp_path, Server(letters(1), greeting=b"-ERR %b\r\n" % words))
    assert world.poll() is code


def test_a_close_before_apop_does_not_mean_a_wrong_password(
    tmp_path: Path,
) -> None:
    odd: dict[bytes, Answer] = {b"APOP": lambda server, rest: b"-ERR no\r\n"}
    greeting = b"+OK <1@server>\r\n"
    world = World(tmp_path, Server(letters(1), odd, greeting=greeting))
    assert world.poll(source={"apop": True}) is ExitCode.AUTHFAIL
    world = World(tmp_path, Server(letters(1), greeting=greeting, closes=True))
    assert world.poll(source={"apop": True}) is not ExitCode.AUTHFAIL
    world = World(tmp_path, Server(letters(1)))
    assert world.poll(source={"apop": True}) is ExitCode.AUTHFAIL
    assert "no login by APOP is possible" in world.said


# Good-byes


@pytest.mark.parametrize("answer", [b"", b"-ERR not all\r\n"])
def test_unconfirmed_deletions_are_reported(tmp_path: Path, answer: bytes) -> None:
    def leave(server: Server, rest: bytes) -> bytes:
        raise HangUp(answer)

    world = World(tmp_path, Server(letters(2), {b"QUIT": leave}))
    assert world.poll() is ExitCode.SUCCESS
    assert "not confirmed" in world.said or "did not remove all" in world.said
    world.server.odd = {}
    world.poll()
    assert (world.subjects(), world.server.messages) == ([b"1", b"2"], [])


# Headers


def headers(world: World, *uids: bytes) -> dict[bytes, bytes]:
    source = world.source({})
    found: dict[Any, bytes] = {}

    async def ask() -> None:
        await source.open()
        await source.select("INBOX", read_only=False)
        found.update(await source.headers(uids))
        for message in await source.new(everything=True):
            source.request(message)
        await source.finish()
        await source.close()

    world.simulation().run(ask())
    return found


@WAYS
def test_headers_are_requested_without_the_text(
    tmp_path: Path, capabilities: Sequence[bytes]
) -> None:
    world = World(tmp_path, Server(letters(3), {}, capabilities))
    found = headers(world, b"u1", b"u3", b"gone")
    assert found == {b"u%d" % n: letter(n, b"text").partition(b"text")[0] for n in (1, 3)}
    assert [line for line in world.server.heard if line.startswith(b"TOP")][:2] == [
        b"TOP 1 0",
        b"TOP 3 0",
    ]


def test_a_header_without_end_is_cut(tmp_path: Path) -> None:
    long = b"X: " + b"x" * 200_000 + b"\r\n" + letter(1)
    world = World(tmp_path, Server([long]))
    assert headers(world, b"u1") == {b"u1": long[: 64 * 1024]}


@pytest.mark.parametrize(
    ("capabilities", "answer"),
    [((b"USER", b"UIDL"), None), (PLAIN, b"-ERR no\r\n"), (PLAIN, b"+OK\r\n.\r\n")],
)
def test_there_are_no_headers_without_top(
    tmp_path: Path, capabilities: Sequence[bytes], answer: bytes | None
) -> None:
    world = World(tmp_path, Server(letters(1), {b"TOP": lambda s, r: answer}, capabilities))
    assert headers(world, b"u1") == {}
