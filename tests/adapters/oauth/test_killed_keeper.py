"""A process is killed at each system call of a renewal: the consent outlives it.

The issuer of these tests replaces the refresh token at each use, and takes the consent away if a
used one comes again. So the one moment that nobody can make safe is that in which the issuer's
answer is under way or in memory: it ends with the write of the file, before any sync.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from mailhaul.adapters.oauth.store import TokenStore
from mailhaul.flows.outcome import ExitCode, PollFailed
from mailhaul.protocols.secret import Secret
from mailhaul.runtimes.simulated import Killed

from .issuer import World

HOUR = 3600.0
CALLS = ("open", "fchmod", "posix_fallocate", "write", "truncate", "fsync", "rename", "close")


class Kernel:
    """Counts the system calls of a process, and kills it before or after one of them."""

    def __init__(self, kill_at: int, *, after: bool = False) -> None:
        self.kill_at = kill_at
        self.after = after
        self.calls: list[str] = []
        self.killed = False
        self._close = os.close

    def installed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in CALLS:
            monkeypatch.setattr(os, name, self._call(name, getattr(os, name)))

    def _call(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*values: Any, **named: Any) -> Any:
            if self.killed:
                # The kernel closes the files of a process that is killed.
                return real(*values, **named) if name == "close" else self._kill()
            self.calls.append(name)
            now = len(self.calls) == self.kill_at
            if now and not self.after and name != "close":
                self._kill()
            try:
                result = real(*values, **named)
            except OSError:
                if now:
                    self._kill()
                raise
            if now:
                if name == "open":
                    self._close(result)
                self._kill()
            return result

        return call

    def _kill(self) -> None:
        self.killed = True
        raise Killed


def renewal(
    home: Path, monkeypatch: pytest.MonkeyPatch, kill_at: int, *, after: bool = False
) -> tuple[World, Kernel]:
    """Renew a token in a process that is killed at one of its calls."""
    world = World(home)
    world.consent()
    world.token()
    world.now += HOUR
    kernel = Kernel(kill_at, after=after)
    with monkeypatch.context() as patched, suppress(Killed):
        kernel.installed(patched)
        world.token()
    return world, kernel


@pytest.mark.parametrize("after", [False, True])
def test_only_an_answer_that_was_not_written_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, after: bool
) -> None:
    _, whole = renewal(tmp_path / "whole", monkeypatch, 0)
    assert whole.calls.count("rename") == 1
    lost: list[str] = []
    for number in range(1, len(whole.calls) + 1):
        world, kernel = renewal(tmp_path / str(number), monkeypatch, number, after=after)
        assert kernel.killed, (number, kernel.calls, whole.calls)
        world.now += HOUR
        try:
            world.token()
            world.now += HOUR
            world.token()
        except PollFailed:
            lost.append(kernel.calls[number - 1])
    assert lost == ([] if after else ["write"])


def test_what_was_written_is_used_by_the_next_program_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, whole = renewal(tmp_path / "whole", monkeypatch, 0)
    sync = whole.calls.index("fsync") + 1
    world, kernel = renewal(tmp_path / "killed", monkeypatch, sync)
    assert kernel.calls[-1] == "fsync"
    assert world.token() == "access-2"
    assert world.issuer.asked == 2
    # It is put in its place before the file is used for the next one.
    assert world.store.try_lock()
    assert not os.path.exists(f"{world.store.path}.new")
    saved = TokenStore(world.folder, world.account.owner).load()
    assert saved.refresh
    assert saved.refresh.reveal() == b"refresh-2"


@pytest.mark.parametrize("octets", [0, 1, 100])
def test_a_file_that_is_not_complete_is_not_used(tmp_path: Path, octets: int) -> None:
    world = World(tmp_path)
    world.consent()
    whole = Path(world.store.path).read_bytes()
    Path(f"{world.store.path}.new").write_bytes(whole[:octets] + b"\0" * 4096)
    assert world.token() == "access-1"
    # Complete, but of somebody else.
    other = whole.replace(b"joe@x.example", b"ann@x.example").replace(b"refresh-0", b"refresh-x")
    Path(f"{world.store.path}.new").write_bytes(other)
    world.now += HOUR
    assert world.token() == "access-2"


@pytest.mark.parametrize("name", ["open", "posix_fallocate"])
def test_a_full_disk_is_noticed_before_the_issuer_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    world = World(tmp_path)
    world.consent()
    real = getattr(os, name)

    def full(target: Any, *values: Any, **named: Any) -> Any:
        if name == "posix_fallocate" or str(target).endswith(".new"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(target, *values, **named)

    with monkeypatch.context() as patched:
        patched.setattr(os, name, full)
        with pytest.raises(PollFailed, match="No space left on device") as caught:
            world.token()
    assert caught.value.code is ExitCode.IOERR
    assert world.issuer.asked == 0
    assert world.token() == "access-1"


@pytest.mark.parametrize("number", [errno.EOPNOTSUPP, errno.EINVAL])
def test_a_file_system_that_cannot_reserve_space_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def unable(*_: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "posix_fallocate", unable)
    world = World(tmp_path)
    world.consent()
    assert world.token() == "access-1"


def test_a_sync_that_fails_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path)
    world.consent()
    with monkeypatch.context() as patched:

        def broken(file: int) -> None:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        patched.setattr(os, "fsync", broken)
        with pytest.raises(PollFailed, match="Input/output error"):
            world.token()
    assert world.issuer.asked == 1
    assert world.token() == "access-1"
    world.now += HOUR
    assert world.token() == "access-2"


# An answer that is lost on the line


class LostAnswers:
    """Obeys requests and does not answer some of them. ``grace`` is in seconds.

    Within that time a used token is taken once more, as many issuers do (RFC 9700, 4.14.2, leaves
    that to them).
    """

    def __init__(self, world: World, *, grace: float, losing: int) -> None:
        self.world = world
        self.grace = grace
        self.losing = losing
        self.tried: list[float] = []
        self._before = ""
        self._when = 0.0
        world.issuer.answer = self.respond

    def respond(self, form: dict[str, str]) -> tuple[int, Any]:
        issuer = self.world.issuer
        self.tried.append(self.world.now)
        issuer.answer = None
        forgiven = self.world.now - self._when <= self.grace
        if form["refresh_token"] == self._before and forgiven:
            form = {**form, "refresh_token": issuer.refresh}
        else:
            self._when, self._before = self.world.now, issuer.refresh
        issuer.asked -= 1
        try:
            # As FakeIssuer does without this.
            status, document = issuer.respond_to(form)
        finally:
            issuer.answer = self.respond
        if self.losing and status == 200:
            self.losing -= 1
            return 0, {}
        return status, document


def test_a_lost_answer_is_asked_for_again_while_the_issuer_forgives_it(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.consent()
    issuer = LostAnswers(world, grace=10.0, losing=1)
    assert world.token().startswith("access-")
    assert issuer.tried == [world.now] * 2
    world.now += HOUR
    assert world.token().startswith("access-")
    assert world.store.load().failures == 0


def test_a_lost_answer_of_an_issuer_that_never_forgives_needs_a_new_consent(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    world.consent()
    LostAnswers(world, grace=-1.0, losing=1)
    with pytest.raises(PollFailed, match="consent needed"):
        world.token()


def test_answers_that_are_always_lost_cost_five_tries_an_hour(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.consent()
    issuer = LostAnswers(world, grace=1e9, losing=10**6)
    began = world.now
    for world.now in range(int(began), int(began + 12 * HOUR), 60):
        with pytest.raises(PollFailed):
            world.token()
    for first in issuer.tried:
        assert len([when for when in issuer.tried if first <= when < first + HOUR]) <= 5
    issuer.losing = 0
    world.now += HOUR
    assert world.token().startswith("access-")


def test_the_signal_waits_from_the_request_to_the_stored_answer(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.consent()
    seen: list[tuple[str, int, bytes]] = []

    class Held:
        def __enter__(self) -> None:
            self.note("begun")

        def __exit__(self, *_: object) -> None:
            self.note("over")

        def note(self, what: str) -> None:
            refresh = world.store.load().refresh or Secret(b"")
            seen.append((what, world.issuer.asked, refresh.reveal()))

    world.run(world.keeper(hold=Held).token())
    assert seen == [("begun", 0, b"refresh-0"), ("over", 1, b"refresh-1")]
    # A token that is still valid keeps nobody waiting.
    world.run(world.keeper(hold=Held).token())
    assert len(seen) == 2


def test_a_consent_given_again_is_newer_than_what_a_kill_has_left(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.consent()
    left = Path(world.store.path).read_bytes().replace(b"refresh-0", b"refresh-x")
    Path(f"{world.store.path}.new").write_bytes(left)
    world.consent()
    saved = world.store.load().refresh
    assert saved
    assert saved.reveal() == b"refresh-0"
    assert world.token() == "access-1"
