"""USER and PASS in one write, and CAPA before the login, at servers that do not expect it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailhaul.flows.outcome import ExitCode
from tests.adapters.sources.pop3_scripts import (
    PIPELINED,
    PLAIN,
    PROXIED,
    Answer,
    HangUp,
    Server,
    World,
    letter,
    lines,
)

LETTERS = [letter(number) for number in (1, 2)]


def hanging_up(last: bytes = b"") -> Answer:
    def answer(server: Server, rest: bytes) -> bytes:
        raise HangUp(last)

    return answer


def in_first_session(answer: Answer) -> Answer:
    return lambda server, rest: answer(server, rest) if server.sessions == 1 else None


def world(folder: Path, capabilities: tuple[bytes, ...] = PIPELINED, **odd: Answer) -> World:
    answers = {verb.encode(): answer for verb, answer in odd.items()}
    return World(folder, Server(list(LETTERS), answers, capabilities))


def all_delivered(one: World) -> bool:
    return one.server.messages == [] and one.subjects() == [b"1", b"2"]


@pytest.mark.parametrize("text", [b"[AUTH] unknown user", b"unknown user"])
def test_a_hang_up_after_a_refused_user_is_a_refused_login(tmp_path: Path, text: bytes) -> None:
    """The reply to PASS is missing then."""
    one = world(tmp_path, USER=hanging_up(b"-ERR %b\r\n" % text))
    assert one.poll() is ExitCode.AUTHFAIL
    assert "refuses the login of joe" in one.said
    assert one.server.sessions == 1


def test_a_hang_up_after_a_busy_user_is_no_wrong_password(tmp_path: Path) -> None:
    one = world(tmp_path, USER=hanging_up(b"-ERR [IN-USE] busy\r\n"))
    assert one.poll() is ExitCode.LOCKBUSY


def test_the_password_waits_for_user_if_the_server_does_not_announce_it(tmp_path: Path) -> None:
    """Such a server may refuse USER without TLS (RFC 2449, 6.3)."""
    one = world(tmp_path, PIPELINED[1:], USER=lambda server, rest: b"-ERR [AUTH] use TLS\r\n")
    assert one.poll() is ExitCode.AUTHFAIL
    assert b"PASS" not in one.server.verbs()


def test_a_proxy_that_drops_what_follows_user_gets_the_password_alone(tmp_path: Path) -> None:
    one = world(tmp_path, PROXIED)
    one.server.drops = frozenset({b"USER"})
    assert one.poll() is ExitCode.SUCCESS
    assert all_delivered(one)
    assert one.server.sessions == 1


def test_after_a_timeout_the_password_is_sent_alone(tmp_path: Path) -> None:
    one = world(tmp_path)
    one.server.drops = frozenset({b"USER"})
    assert one.poll() is ExitCode.SUCCESS
    assert all_delivered(one)
    assert one.server.verbs().count(b"PASS") == 1


def test_a_server_that_answers_nothing_is_not_asked_twice(tmp_path: Path) -> None:
    one = world(tmp_path, USER=lambda server, rest: b"", PASS=lambda server, rest: b"")
    assert one.poll() is ExitCode.SOCKET
    assert one.server.sessions == 1


def test_after_a_hang_up_without_a_reply_the_password_is_sent_alone(tmp_path: Path) -> None:
    one = world(tmp_path, USER=in_first_session(hanging_up()))
    assert one.poll() is ExitCode.SUCCESS
    assert all_delivered(one)
    assert one.server.sessions == 2


def test_a_hang_up_in_place_of_the_reply_to_pass_is_one_refused_login(tmp_path: Path) -> None:
    """The password may be wrong, and every refused login counts."""
    one = world(tmp_path, PASS=hanging_up())
    assert one.poll() is ExitCode.SOCKET
    assert one.server.verbs().count(b"PASS") == 1


def test_a_hang_up_after_a_refused_capa_and_an_accepted_user_is_final(tmp_path: Path) -> None:
    one = world(tmp_path, CAPA=lambda server, rest: b"-ERR what\r\n", PASS=hanging_up())
    assert one.poll() is ExitCode.SOCKET
    assert one.server.verbs().count(b"PASS") == 1


# CAPA before the login


def test_after_the_login_the_capabilities_of_a_proxy_are_asked_again(tmp_path: Path) -> None:
    def capabilities(server: Server, rest: bytes) -> bytes:
        return lines(*(PLAIN if b"PASS" in server.verbs() else PROXIED))

    one = world(tmp_path, CAPA=capabilities)
    one.server.drops = frozenset({b"USER", b"STAT", b"UIDL", b"LIST", b"TOP", b"DELE"})
    assert one.poll() is ExitCode.SUCCESS
    assert all_delivered(one)
    assert one.server.sessions == 1


def test_what_is_announced_only_after_the_login_counts(tmp_path: Path) -> None:
    def capabilities(server: Server, rest: bytes) -> bytes:
        return lines(*((*PLAIN, b"EXPIRE 0") if b"PASS" in server.verbs() else (b"USER",)))

    one = world(tmp_path, CAPA=capabilities)
    one.poll()
    assert all_delivered(one)
    assert b"TOP" in one.server.verbs()


@pytest.mark.parametrize("auth", ["any", "password"])
def test_after_a_hang_up_at_capa_it_is_sent_after_the_login(tmp_path: Path, auth: str) -> None:
    one = world(tmp_path, CAPA=in_first_session(hanging_up()))
    wanted = ExitCode.SUCCESS if auth == "password" else ExitCode.SOCKET
    assert one.poll({"auth": auth}) is wanted
    if wanted is ExitCode.SUCCESS:
        assert all_delivered(one)
        assert one.server.verbs()[:4] == [b"CAPA", b"USER", b"PASS", b"CAPA"]


# Servers that announce PIPELINING without supporting it


@pytest.mark.parametrize("verb", [b"STAT", b"UIDL"])
def test_after_a_timeout_commands_are_sent_one_by_one(tmp_path: Path, verb: bytes) -> None:
    one = world(tmp_path)
    one.server.drops = frozenset({verb, b"TOP", b"DELE"})
    assert one.poll() is ExitCode.SUCCESS
    assert all_delivered(one)
    assert one.server.sessions == 2


def test_a_listing_without_any_reply_is_requested_once(tmp_path: Path) -> None:
    one = world(tmp_path, STAT=lambda server, rest: b"")
    one.server.drops = frozenset({b"STAT"})
    assert one.poll() is ExitCode.SOCKET
    assert one.server.sessions == 1


def test_replies_to_deletions_may_come_with_that_to_a_slow_quit(tmp_path: Path) -> None:
    """Dovecot and others write their replies when no command is left; QUIT removes the mail."""

    def hold(server: Server, rest: bytes) -> bytes:
        server.gone.add(int(rest))
        return b""

    def release(server: Server, rest: bytes) -> bytes:
        return b"+OK\r\n" * len(server.gone) + server.right_answer(b"QUIT", rest)

    one = world(tmp_path, DELE=hold, QUIT=release)
    one.server.slow = {b"QUIT": 40.0}
    assert one.poll({"timeout": 20.0}) is ExitCode.SUCCESS
    assert one.said == ""
    assert all_delivered(one)


def test_a_missing_reply_in_the_middle_hides_no_message(tmp_path: Path) -> None:
    """The text of the next message must not be taken for that of the one before."""
    dropped: list[bytes] = []

    def drop_once(server: Server, rest: bytes) -> bytes | None:
        if rest.startswith(b"1 ") and not dropped:
            dropped.append(rest)
            return b""
        return None

    letters = [letter(n, b"text\r\n" * n) for n in (1, 2, 3)]
    one = World(tmp_path, Server(list(letters), {b"TOP": drop_once}, PIPELINED))
    for _ in range(3):
        one.poll(keep=True)
    assert sorted(one.subjects()) == [b"1", b"2", b"3"]
