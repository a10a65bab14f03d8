"""Mail that Gmail does not import, answers that come too soon, and proxies that answer for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mailhaul.adapters.sinks.gmail import Target
from mailhaul.adapters.sinks.gmail_delivery import MAYBE_TWICE
from mailhaul.flows.outcome import ExitCode, Verdict
from mailhaul.protocols.gmail.requests import Importer
from mailhaul.servers.mailboxes import Mailbox

from ...real.servers.gmail import Fault, Request
from ...real.servers.gmail_uploads import Answer, bad_request
from .gmail_world import OTHER, TOKEN, USER, Tokens, World, make, text

PAGE = b"<html><body>Blocked by the firewall of your office</body></html>"


def senders(*fields: bytes) -> bytes:
    lines = b"".join(b"From: %b\r\n" % field for field in fields)
    return b"Message-ID: <7@example.org>\r\n%bSubject: 7\r\n\r\nFrom: here it is text\r\n" % lines


def page(world: World, status: int, *, times: int = 1, skipped: int = 0) -> None:
    """Let a proxy answer in place of Gmail, after so many requests."""
    usual, left = world.gmail.answer, [skipped, times]

    def answer(request: Request, target: str, body: Iterator[bytes]) -> Answer:
        if left[0]:
            left[0] -= 1
        elif left[1]:
            left[1] -= 1
            return Answer(status, PAGE, {"Content-Type": "text/html"})
        return usual(request, target, body)

    world.gmail.answer = answer  # type: ignore[method-assign]


# The From field


@pytest.mark.parametrize("fields", [(), (b"a@x", b"b@x")], ids=["none", "two"])
def test_mail_without_exactly_one_sender_is_inserted(
    tmp_path: Path, fields: tuple[bytes, ...]
) -> None:
    target = Target(Importer(USER), never_spam=True)
    world = make(tmp_path, text(1), senders(*fields), text(3), target=target)
    assert world.run() is ExitCode.SUCCESS
    assert world.stored == [text(1), senders(*fields), text(3)]
    assert [message.inserted for message in world.gmail.messages] == [False, True, False]
    assert world.asked[2:4] == ["POST messages", "PUT messages"]
    message = world.gmail.messages[1]
    assert message.labels == ("INBOX", "UNREAD")
    assert message.query["internalDateSource"] == "dateHeader"
    assert world.inbox.messages == []


def test_a_sender_that_gmail_does_not_understand_is_no_reason_to_keep_the_mail(
    tmp_path: Path,
) -> None:
    world = make(tmp_path, senders(b"nobody"), text(2))
    assert world.run() is ExitCode.SUCCESS
    assert world.stored == [senders(b"nobody"), text(2)]
    assert world.asked[:4] == ["POST import", "PUT import", "POST messages", "PUT messages"]
    assert world.warnings == []


def test_what_an_insertion_refuses_as_well_is_refused(tmp_path: Path) -> None:
    world = make(tmp_path, senders(), text(2))
    world.gmail.pass_request()
    world.gmail.refuse_words(400, "invalidArgument", "Invalid From header")
    assert world.run() is ExitCode.SUCCESS
    assert world.outcomes[0][0] is Verdict.REFUSED
    assert world.stored == [text(2)]
    assert len(world.inbox.messages) == 1


@pytest.mark.parametrize("octets", range(1, 700, 61))
def test_a_cut_during_an_insertion_loses_nothing(tmp_path: Path, octets: int) -> None:
    world = make(tmp_path, senders(b"nobody"), cut_in=octets)
    assert world.run() is ExitCode.SUCCESS
    assert world.stored == [senders(b"nobody")]
    assert world.inbox.messages == []


# Proxies


@pytest.mark.parametrize("status", [403, 404, 407])
def test_the_page_of_a_proxy_says_nothing_about_the_account(tmp_path: Path, status: int) -> None:
    world = make(tmp_path)
    page(world, status, times=2)
    assert world.run() is ExitCode.SUCCESS
    assert world.stored == [text(n) for n in range(1, 4)]
    (tmp_path / "b").mkdir()
    world = make(tmp_path / "b")
    page(world, status, times=1000)
    assert world.run() is ExitCode.SMTP
    assert world.failure == f"gmail: {USER}: HTTP status {status}"
    assert len(world.inbox.messages) == 3


def test_the_page_of_a_proxy_is_no_result_of_a_search(tmp_path: Path) -> None:
    """What was not found would be sent again."""
    world = make(tmp_path, text(1))
    world.gmail.allow("token-of-ann", USER, "https://mail.google.com/")
    world.gmail.pass_request()
    world.gmail.lose_answer()
    usual = world.gmail.answer

    def answer(request: Request, target: str, body: Iterator[bytes]) -> Answer:
        done = usual(request, target, body)
        if request.method == "PUT":
            world.gmail.expire_sessions()
            world.gmail.answer = usual  # type: ignore[method-assign]
            page(world, 403, skipped=1)
        return done

    world.gmail.answer = answer  # type: ignore[method-assign]
    assert world.run() is ExitCode.SUCCESS
    assert world.stored == [text(1)]
    assert world.warnings == []


# Questions


def test_a_question_that_is_refused_says_nothing_about_the_message(tmp_path: Path) -> None:
    world = make(tmp_path, text(1), text(2))
    world.gmail.take_fault = lost_then_refused(world)  # type: ignore[method-assign, assignment]
    assert world.run() is ExitCode.SUCCESS
    assert world.outcomes[0][0] is Verdict.ACCEPTED
    assert world.stored == [text(1), text(2)]
    assert world.warnings == [MAYBE_TWICE]
    assert world.inbox.messages == []


def lost_then_refused(world: World) -> Callable[[Request], Fault]:
    """Lose the first text, and refuse the question that follows."""

    def take(request: Request) -> Fault:
        world.gmail.requests.append(request)
        if len(world.gmail.requests) == 2:
            return Fault(lost=True, refused=None)
        if len(world.gmail.requests) == 3:
            world.gmail.store.messages.clear()
            return Fault(bad_request("Invalid upload"))
        return Fault()

    return take


# Tokens and pauses within one message


def test_one_message_costs_one_new_token(tmp_path: Path) -> None:
    """Gmail accepts each token for a beginning and refuses it for the text."""
    others = [OTHER] * 40
    world = make(tmp_path, text(1), tokens=Tokens(*others))
    world.gmail.allow(OTHER.reveal().decode(), USER)
    for _ in range(20):
        world.gmail.pass_request()
        world.gmail.refuse_words(401, "authError", "Invalid Credentials")
    assert world.run() is ExitCode.AUTHFAIL
    assert world.tokens.said.count("replaced") == 1
    assert len(world.gmail.requests) <= 4
    assert len(world.inbox.messages) == 1


def test_pauses_for_a_quota_grow_within_one_message(tmp_path: Path) -> None:
    world = make(tmp_path, text(1))
    for _ in range(60):
        world.gmail.refuse("rateLimitExceeded")
        world.gmail.pass_request()
    code = world.run()
    assert code in {ExitCode.SUCCESS, ExitCode.SMTP}
    assert len(world.gmail.requests) <= 20


# A success that comes too soon


@pytest.mark.parametrize("after", [0, 1, 300_000])
def test_a_success_before_the_end_of_the_text_is_none(tmp_path: Path, after: int) -> None:
    whole = text(1, b"0123456789abcdef\r\n" * 180_000)
    world = World(tmp_path, Mailbox([whole], 5), answers_after=after)
    assert world.run() is ExitCode.SUCCESS
    assert world.stored == [whole]
    assert TOKEN.reveal().decode() not in world.failure
    assert world.inbox.messages == []
