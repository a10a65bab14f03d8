"""The sink for Gmail: what arrives, what is refused, tokens, quotas, and lost answers."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from mailhaul.adapters.http.client import MISSING
from mailhaul.adapters.ledger.store import SqliteLedger
from mailhaul.adapters.sinks import gmail_delivery
from mailhaul.adapters.sinks.gmail import Target
from mailhaul.adapters.sinks.gmail_delivery import MAYBE_TWICE
from mailhaul.flows.outcome import ExitCode, Verdict
from mailhaul.protocols.gmail.requests import Importer
from mailhaul.runtimes.simulated import Killed, Simulation
from mailhaul.servers.mailboxes import Mailbox

from ...real.servers.gmail import Fault, Request
from .gmail_world import OTHER, TOKEN, USER, Tokens, World, make, text

BIG = text(1, b"0123456789abcdef\r\n" * 60_000)
READONLY = "https://www.googleapis.com/auth/gmail.readonly"
INSERT = "https://www.googleapis.com/auth/gmail.insert"
LABELS = "https://www.googleapis.com/auth/gmail.labels"


# What arrives


@pytest.mark.parametrize("pop3", [True, False], ids=["pop3", "imap"])
def test_all_mail_arrives_as_it_is_over_one_connection(tmp_path: Path, pop3: bool) -> None:
    world = make(tmp_path, pop3=pop3)
    assert world.run() is ExitCode.SUCCESS
    assert world.stored == [text(n) for n in range(1, 4)]
    assert world.inbox.messages == []
    assert world.connections == 1
    assert world.asked == ["POST import", "PUT import"] * 3
    for message in world.gmail.messages:
        assert message.labels == ("INBOX", "UNREAD")
        assert message.query["internalDateSource"] == "dateHeader"
        assert "neverMarkSpam" not in message.query
    assert world.tokens.said == ["accepted"]


def test_a_large_message_is_streamed(tmp_path: Path) -> None:
    world = make(tmp_path, BIG, text(2))
    assert world.run(Simulation(round_trip=0.05, cut=True)) is ExitCode.SUCCESS
    assert world.stored == [BIG, text(2)]


def test_what_the_source_knows_of_a_message_decides_its_labels(tmp_path: Path) -> None:
    world = make(tmp_path)
    world.inbox.messages[0].flags |= {rb"\Seen"}
    world.inbox.messages[1].flags |= {rb"\Flagged", rb"\Answered", b"$Forwarded"}
    assert world.run(fetchall=True) is ExitCode.SUCCESS
    found = [message.labels for message in world.gmail.messages]
    assert found == [("INBOX",), ("INBOX", "UNREAD", "STARRED"), ("INBOX", "UNREAD")]


def test_the_user_chooses_labels_and_switches_the_spam_decision_off(tmp_path: Path) -> None:
    target = Target(Importer(USER), ("Label_7", "CATEGORY_UPDATES"), never_spam=True)
    world = make(tmp_path, text(1), target=target)
    world.gmail.store.labels.add("Label_7")
    assert world.run() is ExitCode.SUCCESS
    [message] = world.gmail.messages
    assert (message.labels, message.query["neverMarkSpam"]) == (target.labels, "true")
    # The IDs are known: nothing is looked up.
    assert world.asked == ["POST import", "PUT import"]


def test_names_of_labels_are_looked_up_once(tmp_path: Path) -> None:
    world = make(tmp_path, target=Target(Importer(USER), ("INBOX", "old mail")))
    world.gmail.store.labels.add("Label_9")
    world.gmail.store.names["Label_9"] = "Old Mail"
    world.gmail.allow("token-of-ann", USER, INSERT, LABELS)
    assert world.run() is ExitCode.SUCCESS
    assert {message.labels for message in world.gmail.messages} == {("INBOX", "Label_9")}
    assert world.asked == ["GET labels", *["POST import", "PUT import"] * 3]


def test_a_label_that_cannot_be_found_ends_the_poll_with_what_to_do(tmp_path: Path) -> None:
    world = make(tmp_path, target=Target(Importer(USER), ("Old Mail",)))
    assert world.run() is ExitCode.AUTHFAIL
    assert f'sign in again with "mailhaul login {USER}" to allow it' in world.failure
    world.gmail.allow("token-of-ann", USER, INSERT, LABELS)
    assert world.run() is ExitCode.SYNTAX
    assert "there is no label Old Mail (gmaillabels)" in world.failure
    assert world.stored == []
    assert len(world.inbox.messages) == 3


def test_a_label_id_that_gmail_does_not_know_is_no_fault_of_the_message(tmp_path: Path) -> None:
    world = make(tmp_path, target=Target(Importer(USER), ("Label_99",)))
    assert world.run() is ExitCode.SYNTAX
    assert "check the option gmaillabels" in world.failure
    assert world.outcomes == []


# What is not taken


def test_a_message_above_the_limit_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gmail_delivery, "MAX_MESSAGE", 200)
    world = make(tmp_path, text(1, b"x" * 300), text(2))
    assert world.run() is ExitCode.SUCCESS
    assert world.stored == [text(2)]
    size = len(text(1, b"x" * 300))
    assert world.outcomes[0] == (Verdict.REFUSED, f"{size} octets, but Gmail accepts 200 at most")
    assert [message.uid for message in world.inbox.messages] == [1]


def test_a_message_that_gmail_finds_too_large_is_refused(tmp_path: Path) -> None:
    world = make(tmp_path, text(1, b"x" * 300), text(2))
    world.gmail.store.largest = 200
    assert world.run() is ExitCode.SUCCESS
    assert world.stored == [text(2)]
    assert world.outcomes[0][0] is Verdict.REFUSED
    assert "too large (uploadTooLarge)" in world.outcomes[0][1]


def test_a_message_that_gmail_refuses_does_not_block_the_next(tmp_path: Path) -> None:
    world = make(tmp_path)
    world.gmail.pass_request()
    world.gmail.refuse_words(400, "badRequest", "Mail with a strange header")
    assert world.run() is ExitCode.SUCCESS
    assert world.stored == [text(2), text(3)]
    verdict, why = world.outcomes[0]
    assert (verdict, why) == (Verdict.REFUSED, "Gmail: Mail with a strange header (badRequest)")
    # The session is forgotten: the next poll begins another one.
    world.gmail.requests.clear()
    assert world.run() is ExitCode.SUCCESS
    assert world.asked == ["POST import", "PUT import"]
    assert world.inbox.messages == []


# Tokens


def test_a_refused_token_is_replaced_once_and_nothing_is_sent_twice(tmp_path: Path) -> None:
    for requests in range(4):
        folder = tmp_path / str(requests)
        folder.mkdir()
        world = make(folder, tokens=Tokens(OTHER))
        world.gmail.allow(OTHER.reveal().decode(), USER)
        for _ in range(requests):
            world.gmail.pass_request()
        world.gmail.refuse_words(401, "authError", "Invalid Credentials")
        assert world.run() is ExitCode.SUCCESS
        assert world.stored == [text(n) for n in range(1, 4)]
        assert world.tokens.said.count("replaced") == 1
        assert world.tokens.said[-1] == "accepted"


def test_a_second_refused_token_ends_the_poll(tmp_path: Path) -> None:
    world = make(tmp_path, tokens=Tokens(OTHER))
    world.gmail.tokens.clear()
    assert world.run() is ExitCode.AUTHFAIL
    assert len(world.gmail.requests) == 2
    words = "Invalid Credentials (authError)"
    assert world.failure == f"gmail: {USER}: the token is refused: {words}; some advice"
    assert world.tokens.said == ["replaced", words]
    assert len(world.inbox.messages) == 3


@pytest.mark.parametrize(
    ("status", "reason", "expected"),
    [
        (403, "insufficientPermissions", 'type "mailhaul login ann@example.org"'),
        (403, "forbidden", "the token is another user's"),
        (403, "accessNotConfigured", 'enable the "Gmail API" in the Google project'),
        (403, "domainPolicy", "an administrator of the domain must allow"),
        (400, "failedPrecondition", "this address has no Gmail mailbox"),
    ],
)
def test_what_concerns_the_account_is_no_fault_of_a_message(
    tmp_path: Path, status: int, reason: str, expected: str
) -> None:
    world = make(tmp_path)
    world.gmail.refuse_words(status, reason, "So it is")
    assert world.run() is ExitCode.AUTHFAIL
    assert f"So it is ({reason}); " in world.failure
    assert expected in world.failure
    assert ("consent needed" in world.failure) == (
        reason in {"insufficientPermissions", "forbidden"}
    )
    assert world.outcomes == []
    assert len(world.inbox.messages) == 3


# Quotas


@pytest.mark.parametrize("skipped", range(4))
@pytest.mark.parametrize(
    ("reason", "status"),
    [("rateLimitExceeded", 0), ("rateLimitExceeded", 403), ("userRateLimitExceeded", 0)],
)
def test_a_short_rest_is_waited_for(tmp_path: Path, reason: str, status: int, skipped: int) -> None:
    world = make(tmp_path)
    for _ in range(skipped):
        world.gmail.pass_request()
    world.gmail.refuse(reason, times=2, status=status, retry_after="20")
    simulation = Simulation(round_trip=0.05)
    assert world.run(simulation) is ExitCode.SUCCESS
    assert world.stored == [text(n) for n in range(1, 4)]
    assert 40 <= simulation.now < 45


def test_without_a_time_the_pauses_double(tmp_path: Path) -> None:
    world = make(tmp_path)
    world.gmail.refuse("rateLimitExceeded", times=4)
    simulation = Simulation(round_trip=0.05)
    assert world.run(simulation) is ExitCode.SUCCESS
    assert 15 <= simulation.now < 17


def test_a_long_rest_ends_the_poll_and_is_kept_by_the_next_ones(tmp_path: Path) -> None:
    world = make(tmp_path)
    world.gmail.pass_request()
    world.gmail.pass_request()
    world.gmail.refuse("userRateLimitExceeded", retry_after="900")
    assert world.run() is ExitCode.SMTP
    assert world.failure.endswith("(userRateLimitExceeded); the next try is in 15 minutes")
    assert world.stored == [text(1)]
    asked = len(world.gmail.requests)
    world.time += 890
    assert world.run() is ExitCode.SMTP
    assert "the next try is in 1 minute" in world.failure
    assert len(world.gmail.requests) == asked
    world.time += 20
    assert world.run() is ExitCode.SUCCESS
    assert world.stored == [text(n) for n in range(1, 4)]


def test_the_quota_of_a_day_means_an_hour_of_rest_if_gmail_says_no_time(tmp_path: Path) -> None:
    world = make(tmp_path)
    world.gmail.refuse("dailyLimitExceeded")
    assert world.run() is ExitCode.SMTP
    assert "the next try is in 60 minutes" in world.failure


def test_a_poll_does_not_wait_for_quotas_for_ever(tmp_path: Path) -> None:
    world = make(tmp_path)
    world.gmail.refuse("rateLimitExceeded", times=50, retry_after="30")
    simulation = Simulation(round_trip=0.05)
    assert world.run(simulation) is ExitCode.SMTP
    assert simulation.now < 130
    assert len(world.gmail.requests) == 5


def test_a_rest_of_no_seconds_ends_too(tmp_path: Path) -> None:
    world = make(tmp_path)
    world.gmail.refuse("rateLimitExceeded", times=1000, retry_after="0")
    assert world.run() is ExitCode.SMTP
    assert len(world.gmail.requests) < 10


# Trouble


def test_trouble_of_gmail_is_tried_again_and_then_the_poll_ends(tmp_path: Path) -> None:
    world = make(tmp_path)
    world.gmail.refuse("backendError", times=2)
    assert world.run() is ExitCode.SUCCESS
    assert world.stored == [text(n) for n in range(1, 4)]
    (tmp_path / "b").mkdir()
    world = make(tmp_path / "b")
    world.gmail.refuse("backendError", times=1000)
    assert world.run() is ExitCode.SMTP
    assert world.failure == f"gmail: {USER}: Backend Error (backendError)"
    assert len(world.gmail.requests) == 3
    assert len(world.inbox.messages) == 3


def test_one_message_that_is_trouble_for_gmail_does_not_block_the_next(tmp_path: Path) -> None:
    world = make(tmp_path)
    world.gmail.pass_request()
    world.gmail.refuse("backendError", times=3)
    assert world.run() is ExitCode.SUCCESS
    assert world.stored == [text(2), text(3)]
    assert world.outcomes[0] == (Verdict.POSTPONED, "Backend Error (backendError)")
    assert world.run() is ExitCode.SUCCESS
    assert world.stored == [text(2), text(3), text(1)]
    assert world.inbox.messages == []


def test_a_server_that_cannot_be_reached_ends_the_poll(tmp_path: Path) -> None:
    world = make(tmp_path, target=Target(Importer(USER, "https://nowhere.googleapis.com")))
    assert world.run() is ExitCode.SMTP
    assert world.failure.startswith(f"gmail: {USER}: nowhere.googleapis.com: ")


def test_a_session_elsewhere_gets_neither_token_nor_text(tmp_path: Path) -> None:
    world = make(tmp_path)
    world.gmail.url = "https://gmail.example.org"
    assert world.run() is ExitCode.SMTP
    assert "not one of Google's" in world.failure
    assert [one.method for one in world.gmail.requests] == ["POST"] * 3


# Lost answers


def test_after_a_lost_answer_the_session_is_asked_first(tmp_path: Path) -> None:
    world = make(tmp_path, text(1))
    world.gmail.pass_request()
    world.gmail.lose_answer()
    assert world.run() is ExitCode.SUCCESS
    assert world.stored == [text(1)]
    assert world.asked == ["POST import", "PUT import", f"PUT bytes */{len(text(1))}"]


def test_after_a_kill_the_session_is_asked_by_the_next_poll(tmp_path: Path) -> None:
    world = make(tmp_path, text(1))
    kill_after_upload(world)
    assert world.run() is ExitCode.SUCCESS
    assert world.stored == [text(1)]
    assert world.asked == [f"PUT bytes */{len(text(1))}"]
    assert world.inbox.messages == []


def kill_after_upload(world: World) -> None:
    """Kill the poll as soon as Gmail has the message."""
    store, add = world.gmail.store, world.gmail.store.add

    def kill(*arguments: object) -> None:
        add(*arguments)  # type: ignore[arg-type]
        raise Killed

    store.add = kill  # type: ignore[method-assign, assignment]
    with pytest.raises(Killed):
        world.run()
    store.add = add  # type: ignore[method-assign]
    [session] = store.sessions
    session.done = store.messages[0]
    world.gmail.requests.clear()


@pytest.mark.parametrize("status", [404, 410])
def test_an_expired_session_means_another_upload_and_a_warning(tmp_path: Path, status: int) -> None:
    world = make(tmp_path, text(1))
    kill_after_upload(world)
    world.gmail.expire_sessions(status)
    assert world.run() is ExitCode.SUCCESS
    # The narrow scope allows no search, and a second copy is better than none.
    assert world.stored == [text(1), text(1)]
    assert world.warnings == [MAYBE_TWICE]
    question = f"PUT bytes */{len(text(1))}"
    assert world.asked == [question, "GET messages", "POST import", "PUT import"]
    # A search that is not allowed says nothing against the token.
    assert set(world.tokens.said) == {"accepted"}


@pytest.mark.parametrize("same", [True, False])
def test_with_a_wider_scope_the_message_is_searched_for(tmp_path: Path, same: bool) -> None:
    world = make(tmp_path, text(1))
    world.gmail.allow("token-of-ann", USER, INSERT, READONLY)
    kill_after_upload(world)
    world.gmail.expire_sessions()
    if not same:
        # A Message-ID alone does not show that it is the same message.
        world.gmail.store.messages.clear()
        world.gmail.store.add(USER, text(1, b"another\r\n"), (), {})
    assert world.run() is ExitCode.SUCCESS
    assert world.stored == ([text(1)] if same else [text(1, b"another\r\n"), text(1)])
    assert world.warnings == ([] if same else [MAYBE_TWICE])


def test_a_changed_text_never_goes_to_the_session_of_the_old_one(tmp_path: Path) -> None:
    world = make(tmp_path, text(1, b"a" * 2000))
    world.cut_in = 1500
    world.gmail.pass_request()
    world.gmail.pass_request()
    world.gmail.refuse("backendError", times=1000)
    world.run()
    [session] = world.gmail.store.sessions
    assert 0 < len(session.octets) < session.total  # type: ignore[operator]
    world.gmail.stop_faults()
    # The same UID and size, and other octets, as a server with a Status field sends them.
    world.inbox = Mailbox([text(1, b"b" * 2000)], 5)
    assert world.run() is ExitCode.SUCCESS
    assert world.stored == [text(1, b"b" * 2000)]


def test_the_session_is_on_disk_before_the_first_octet_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make(tmp_path, text(1))
    order: list[str] = []
    durable, take = SqliteLedger.make_durable, world.gmail.take_fault

    def note_durable(ledger: SqliteLedger) -> None:
        durable(ledger)
        found = ledger.write(lambda db: db.execute("SELECT upload FROM message").fetchall())
        order.append("with a session" if found and found[0][0] else "durable")

    def note_request(request: Request) -> Fault:
        order.append(request.method)
        return take(request)

    monkeypatch.setattr(SqliteLedger, "make_durable", note_durable)
    world.gmail.take_fault = note_request  # type: ignore[method-assign]
    assert world.run() is ExitCode.SUCCESS
    assert order[:4] == ["durable", "POST", "with a session", "PUT"]


def test_without_h11_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = make(tmp_path)
    monkeypatch.setitem(sys.modules, "mailhaul.adapters.http.machine", None)
    assert world.run() is ExitCode.IOERR
    assert world.failure == MISSING
    assert len(world.inbox.messages) == 3


# Cuts and kills at every step

SOAK = bool(os.environ.get("MAILHAUL_SOAK"))
TEXTS = [text(n, b"x" * 400 * n + b"\r\n") for n in range(1, 4)]
TOTAL_IN, TOTAL_OUT = 4600, 1400


def test_the_numbers_of_octets_cover_a_whole_poll(tmp_path: Path) -> None:
    world = make(tmp_path, *TEXTS)
    assert world.run() is ExitCode.SUCCESS
    assert 0.8 * TOTAL_IN < world.octets_in <= TOTAL_IN
    assert 0.8 * TOTAL_OUT < world.octets_out <= TOTAL_OUT


@pytest.mark.parametrize("octets", range(1, TOTAL_IN, 1 if SOAK else 97))
def test_a_request_cut_at_any_octet_loses_nothing_and_makes_no_second_copy(
    tmp_path: Path, octets: int
) -> None:
    world = make(tmp_path, *TEXTS, cut_in=octets)
    assert world.run() is ExitCode.SUCCESS
    assert world.stored == TEXTS
    assert world.inbox.messages == []
    assert world.warnings == []


@pytest.mark.parametrize("octets", range(1, TOTAL_OUT, 1 if SOAK else 29))
def test_an_answer_cut_at_any_octet_loses_nothing_and_makes_no_second_copy(
    tmp_path: Path, octets: int
) -> None:
    world = make(tmp_path, *TEXTS, cut_out=octets)
    assert world.run() is ExitCode.SUCCESS
    assert world.stored == TEXTS
    assert world.inbox.messages == []
    assert world.warnings == []


@pytest.mark.parametrize("pop3", [True, False], ids=["pop3", "imap"])
@pytest.mark.parametrize("step", range(1, 200, 1 if SOAK else 3))
def test_a_kill_at_any_step_loses_nothing_and_makes_no_second_copy(
    tmp_path: Path, step: int, pop3: bool
) -> None:
    world = make(tmp_path, *TEXTS, pop3=pop3)
    try:
        world.run(Simulation(round_trip=0.05, kill_at=step))
    except Killed:
        world.run()
    assert sorted(world.stored) == sorted(TEXTS)
    assert world.inbox.messages == []


@pytest.mark.parametrize("seed", range(200 if SOAK else 20))
def test_kills_cuts_and_refusals_together_lose_nothing(tmp_path: Path, seed: int) -> None:
    random = Random(seed)
    world = make(tmp_path, *TEXTS, pop3=bool(seed % 2))
    for _ in range(6):
        world.cut_in, world.cut_out = random.choice([0, random.randint(1, TOTAL_IN)]), 0
        if random.random() < 0.5:
            world.cut_out = random.randint(1, TOTAL_OUT)
        for _ in range(random.randint(0, 4)):
            world.gmail.pass_request()
        if random.random() < 0.5:
            world.gmail.refuse(random.choice(["backendError", "rateLimitExceeded"]), times=3)
        kill_at = random.choice([None, random.randint(1, 200)])
        with suppress(Killed):
            world.run(Simulation(seed=seed, cut=True, round_trip=0.05, kill_at=kill_at))
        world.time += 4000
    world.gmail.stop_faults()
    world.cut_in = world.cut_out = 0
    assert world.run() in {ExitCode.SUCCESS, ExitCode.NOMAIL}
    assert sorted(world.stored) == sorted(TEXTS)
    assert world.inbox.messages == []


def test_no_spool_stays_open(tmp_path: Path) -> None:
    world = make(tmp_path)
    world.gmail.refuse("dailyLimitExceeded")
    world.run()
    held = [path.readlink() for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
    assert not any("memfd:message" in str(link) for link in held)


def test_nothing_shows_the_token_or_the_session(tmp_path: Path) -> None:
    world = make(tmp_path, text(1))
    world.gmail.pass_request()
    world.gmail.refuse("backendError", times=1000)
    world.run()
    said = repr((world.events, world.failure, world.sink().__dict__))
    assert TOKEN.reveal().decode() not in said
    assert "upload_id" not in said
