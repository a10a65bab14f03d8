"""How many connections to one server are allowed: growth, refusals, and what never happens."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhaul.flows.admission import (
    CAUTION,
    GROWTH,
    MOST,
    PER_USER,
    START,
    Admission,
    Attempt,
    is_refusal,
)
from mailhaul.flows.outcome import ExitCode, PollFailed, ServerRefused
from mailhaul.flows.requests import NameNotFound, OpenFailed, TimedOut, TlsFailed
from mailhaul.protocols.errors import ConnectionLost, RemoteProtocolError

BUSY = ServerRefused(ExitCode.SERVBUSY, "too many connections")


def fill(admission: Admission, prefix: str = "") -> list[Attempt]:
    """Start as many connections as allowed, each of another user."""
    begun: list[Attempt] = []
    while admission.may_start(user := f"{prefix}{len(begun)}"):
        begun.append(admission.start(user))
    return begun


def with_connections(count: int) -> tuple[Admission, list[Attempt]]:
    """Return a server whose limit has grown to ``count``, with as many sessions."""
    admission = Admission(count)
    begun: list[Attempt] = []
    while len(begun) < count:
        new = fill(admission, f"{len(begun)}-")
        for attempt in new:
            admission.logged_in(attempt)
        begun += new
    admission.most = MOST
    assert admission.limit == count
    return admission, begun


def test_it_begins_with_few() -> None:
    assert len(fill(Admission())) == START


def test_each_login_allows_more() -> None:
    admission = Admission()
    limits: list[int] = []
    begun: list[Attempt] = []
    for turn in range(6):
        new = fill(admission, f"{turn}-")
        for attempt in new:
            admission.logged_in(attempt)
        begun += new
        limits.append(admission.limit)
    assert limits == [16, 32, 64, 128, 128, 128]
    assert len(begun) == MOST


@pytest.mark.parametrize("most", [1, 5, 20])
def test_the_user_sets_the_highest_number(most: int) -> None:
    admission = Admission(most)
    for turn in range(5):
        for attempt in fill(admission, f"{turn}-"):
            admission.logged_in(attempt)
    assert admission.limit == most


def test_the_number_may_change_while_connections_are_open() -> None:
    admission, begun = with_connections(32)
    admission.most = 4
    assert not admission.may_start("other")
    for attempt in begun[:28]:
        admission.ended(attempt)
    assert not admission.may_start("other")
    admission.ended(begun[28])
    assert admission.may_start("other")


def test_logins_at_a_server_that_is_used_little_prove_nothing() -> None:
    admission = Admission()
    for _ in range(100):
        attempt = admission.start("u")
        admission.logged_in(attempt)
        admission.ended(attempt)
    assert admission.limit == START


def test_a_refusal_halves_the_number_once_for_all_that_were_under_way() -> None:
    admission, begun = with_connections(32)
    for attempt in begun[20:]:
        admission.failed(attempt, BUSY)
        admission.ended(attempt)
    assert admission.limit == 16


def test_later_refusals_halve_it_again() -> None:
    admission, begun = with_connections(32)
    refused = begun.pop()
    for expected in (16, 8, 4, 2, 1):
        admission.failed(refused, BUSY)
        admission.ended(refused)
        assert admission.limit == expected
        while not admission.may_start("late"):
            admission.ended(begun.pop())
        refused = admission.start("late")


def test_after_a_refusal_the_number_grows_slowly() -> None:
    admission, begun = with_connections(16)
    admission.failed(begun[-1], BUSY)
    admission.ended(begun.pop())
    assert admission.limit == 8
    while len(begun) > 7:
        admission.ended(begun.pop())
    logins = 0
    while admission.limit == 8:
        attempt = admission.start("more")
        admission.logged_in(attempt)
        admission.ended(attempt)
        logins += 1
    assert logins == CAUTION * 8
    assert admission.limit == 9


def test_a_server_that_refuses_a_lone_connection_is_not_asked_for_less() -> None:
    admission = Admission()
    attempt = admission.start("u")
    admission.failed(attempt, BUSY)
    admission.ended(attempt)
    assert admission.limit == START
    assert not admission.may_succeed(attempt)


def test_a_stall_among_accepted_logins_is_a_refusal() -> None:
    admission, begun = with_connections(16)
    for attempt in begun[:2]:
        admission.ended(attempt)
    stalled, accepted = admission.start("stalled"), admission.start("accepted")
    admission.logged_in(accepted)
    admission.failed(stalled, TimedOut(300.0))
    assert admission.limit == 8
    assert admission.may_succeed(stalled)


def test_a_server_that_answers_nobody_ends_the_growth_only() -> None:
    """With one connection at a time, many accounts would wait for hours."""
    admission, begun = with_connections(32)
    for attempt in begun[1:]:
        admission.ended(attempt)
    for turn in range(50):
        for attempt in [admission.start(f"{turn}-{n}") for n in range(6)]:
            admission.failed(attempt, TimedOut(300.0))
            admission.ended(attempt)
            assert not admission.may_succeed(attempt)
    assert admission.limit == START


def test_a_refused_attempt_may_succeed_only_if_another_one_did() -> None:
    admission = Admission()
    refused, other = admission.start("a"), admission.start("b")
    admission.failed(refused, BUSY)
    assert not admission.may_succeed(refused)
    admission.logged_in(other)
    assert admission.may_succeed(refused)


def test_the_next_burst_begins_with_few_again() -> None:
    admission, begun = with_connections(64)
    for attempt in begun:
        admission.ended(attempt)
    assert admission.limit == START


def test_one_user_has_few_connections() -> None:
    admission, sessions = with_connections(100)
    for attempt in sessions[:20]:
        admission.ended(attempt)
    begun = 0
    while admission.may_start("joe"):
        admission.start("joe")
        begun += 1
    assert begun == PER_USER
    assert admission.may_start("ann")


@pytest.mark.parametrize(
    ("error", "refused"),
    [
        (BUSY, True),
        (OpenFailed("Connection refused"), True),
        (ConnectionLost("connection closed before the greeting"), True),
        (NameNotFound("no such host"), False),
        (TlsFailed("certificate expired"), False),
        (PollFailed(ExitCode.AUTHFAIL, "wrong password"), False),
        (PollFailed(ExitCode.LOCKBUSY, "the maildrop is locked"), False),
        (RemoteProtocolError("greeting is not IMAP"), False),
    ],
)
def test_what_counts_as_a_refusal(error: Exception, refused: bool) -> None:
    assert is_refusal(error) is refused


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["start", "login", "refuse", "stall", "wrong", "end"]), st.integers(0, 1000)
    ),
    max_size=300,
)
ERRORS = {"refuse": BUSY, "stall": TimedOut(1.0), "wrong": PollFailed(ExitCode.AUTHFAIL, "no")}


@given(STEPS, st.integers(1, 40), st.integers(1, 12))
def test_whatever_happens_the_limits_hold_and_nothing_waits_forever(
    steps: list[tuple[str, int]], most: int, users: int
) -> None:
    admission = Admission(most)
    trying: list[Attempt] = []
    sessions: list[Attempt] = []
    for what, number in steps:
        before = admission.limit
        if what == "start" and admission.may_start(user := f"u{number % users}"):
            trying.append(admission.start(user))
            assert len(trying) + len(sessions) <= before
        elif what == "login" and trying:
            sessions.append(trying.pop(number % len(trying)))
            admission.logged_in(sessions[-1])
            assert before <= admission.limit <= before + GROWTH
        elif what in ERRORS and trying:
            attempt = trying.pop(number % len(trying))
            admission.failed(attempt, ERRORS[what])
            admission.ended(attempt)
            assert admission.limit <= before
        elif what == "end" and sessions:
            admission.ended(sessions.pop(number % len(sessions)))
        assert 1 <= admission.limit <= most
        counts = Counter(attempt.user for attempt in [*trying, *sessions])
        assert max(counts.values(), default=0) <= PER_USER
        if not trying and not sessions:
            assert admission.may_start("anybody")
