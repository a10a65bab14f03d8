"""Run a scenario: in every round each tool once, with fresh mailboxes, and a check after each run.

A run counts only if all mail arrived, unaltered and once, and the server holds what it should.
"""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from .mail import Key, difference, key, messages
from .place import SSH_USER, Place, settled, stored
from .results import Series, Usage
from .scenarios import MEBIBYTE, Scenario
from .tools import FLOORS, IDLE_FLOORS, MAILHAUL, PEERS, Job, Tool, environment

PATIENCE = 900.0
"""Seconds after which a program is ended."""


class RunFailed(Exception):
    """A run that does not count; the text says why."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What one run works on. ``expected`` are the keys of the messages of all users."""

    job: Job
    expected: list[Key]


_serial = itertools.count(1)


def tools_of(scenario: Scenario, *, peers: bool) -> Iterator[tuple[Tool, str]]:
    """Yield the tools of a scenario, each with the reason why it cannot run, or an empty text."""
    yield MAILHAUL, ""
    for name in scenario.peers if peers else ():
        tool = PEERS[name]
        yield tool, "" if shutil.which(tool.program) else "not installed"
    yield FLOORS[scenario.floor], ""


class Runner:
    """Runs scenarios at one place."""

    def __init__(self, place: Place, say: Callable[[str], None]) -> None:
        self._place = place
        self._say = say

    def run(
        self, scenario: Scenario, rounds: int, tools: Iterable[tuple[Tool, str]]
    ) -> list[Series]:
        """Return the figures of each tool. A tool that fails once is not started again."""
        found = [*tools]
        series = [Series(tool.name, [], reason) for tool, reason in found]
        kept: dict[str, Stage] = {}
        for number in range(1, rounds + 1):
            for (tool, _), one in zip(found, series, strict=True):
                if one.failure:
                    continue
                try:
                    usage = self._once(scenario, tool, kept)
                except RunFailed as failure:
                    one.failure = str(failure)
                    self._say(f"{scenario.name} {number} {tool.name}: FAILED: {failure}")
                    continue
                one.runs.append(usage)
                self._say(
                    f"{scenario.name} {number} {tool.name}: {usage.wall:.3f} s wall,"
                    f" {usage.cpu:.3f} s CPU, {usage.memory / MEBIBYTE:.1f} MiB"
                )
        for stage in kept.values():
            self._clear(stage)
        return series

    def _once(self, scenario: Scenario, tool: Tool, kept: dict[str, Stage]) -> Usage:
        """Run a tool once. What finds nothing new changes nothing, and is prepared only once."""
        if scenario.seen:
            if tool.name not in kept:
                kept[tool.name] = self._stage(scenario)
                self._start(tool, kept[tool.name].job)
                # mbsync waits a second where a folder has just been changed.
                time.sleep(2)
            stage = kept[tool.name]
            usage = self._start(tool, stage.job)
            self._check_seen(tool, stage)
            return usage
        stage = self._stage(scenario)
        try:
            usage = self._start(tool, stage.job)
            if tool.name != "floor" or scenario.floor not in IDLE_FLOORS:
                self._check(tool, stage)
        finally:
            self._clear(stage)
        return usage

    def _stage(self, scenario: Scenario) -> Stage:
        """Fill mailboxes, and make an empty home and an empty sink."""
        place, serial = self._place, next(_serial)
        expected: list[Key] = []
        count = scenario.accounts
        users = tuple(f"b{serial}u{number}" for number in range(1, count + 1))
        users = (SSH_USER,) if scenario.ssh else users
        for user in users:
            place.dovecot.clear(user)
            texts = messages(scenario.messages, scenario.sizes, f"{scenario.name}.{user}")
            seen = scenario.seen and scenario.protocol == "imap"
            place.dovecot.fill(user, self._noted(texts, expected), seen=seen)
        home = place.folder / f"home{serial}"
        home.mkdir()
        job = Job(
            scenario=scenario,
            home=home,
            users=users,
            port=self._port(scenario),
            password=place.dovecot.password,
            authority=place.authority,
            target=self._target(scenario, home),
            target_user=f"b{serial}target",
            nodelay=place.built("nodelay", "-shared", "-fPIC"),
            mda=place.built("mda"),
            ssh=f"{place.sshd.command(place.sshd.mykey)} imapd" if scenario.ssh else "",
        )
        # Else the first sync of a program would write what filled the mailboxes, too.
        os.sync()
        return Stage(job, expected)

    @staticmethod
    def _noted(texts: Iterator[bytes], keys: list[Key]) -> Iterator[bytes]:
        for text in texts:
            keys.append(key(text))
            yield text

    def _port(self, scenario: Scenario) -> int:
        server = self._place.dovecot
        near = server.imaps_port if scenario.tls else server.imap_port
        near = server.pop3_port if scenario.protocol == "pop3" else near
        hosts = scenario.accounts if scenario.own_hosts else 0
        return self._place.port(near, scenario.milliseconds, hosts)

    def _target(self, scenario: Scenario, home: Path) -> str:
        place = self._place
        match scenario.sink:
            case "smtp":
                sink = place.sink(scenario.extensions)
                sink.taken()
                return str(place.port(sink.port, scenario.sink_milliseconds))
            case "maildir":
                return str(home / "Mail")
            case "mda":
                (home / "delivered").mkdir()
                return f"{place.built('mda')} {home}/delivered"
            case _:
                return str(place.port(place.dovecot.imap_port, scenario.sink_milliseconds))

    def _start(self, tool: Tool, job: Job) -> Usage:
        """Run a program to its end."""
        command = tool.prepare(job)
        report, said = job.home / "usage", job.home / "said"
        with said.open("ab") as output:
            process = subprocess.Popen(
                [str(self._place.built("launch")), str(report), *command.words],
                cwd=job.home,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env=environment(job, command),
            )
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise RunFailed(f"not finished after {PATIENCE:.0f} s") from None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        wall, cpu, kilobytes, code = map(int, report.read_text().split())
        if code not in tool.codes:
            raise RunFailed(f"code {code}: {said.read_text(errors='replace')[-500:].strip()}")
        return Usage(wall / 1e9, cpu / 1e6, kilobytes * 1024)

    def _check(self, tool: Tool, stage: Stage) -> None:
        """Fail unless everything arrived, and the server holds what it should."""
        job = stage.job
        wrong = difference(stage.expected, self._arrived(job))
        if wrong:
            said = (job.home / "said").read_text(errors="replace")[-500:].strip()
            raise RunFailed(f"{wrong}; {said}")
        should = 0 if tool.deletes else len(stage.expected)
        left = settled(self._place.dovecot, job.users, should)
        if left != should:
            raise RunFailed(f"the server holds {left} messages, and should hold {should}")

    def _check_seen(self, tool: Tool, stage: Stage) -> None:
        """Fail unless the server holds all, and each message was delivered once, or was read."""
        expected, arrived = stage.expected, self._arrived(stage.job)
        was_read = stage.job.scenario.protocol == "imap" or tool.name == "floor"
        if arrived or not was_read:
            wrong = difference(expected, arrived)
            if wrong:
                raise RunFailed(wrong)
        left = settled(self._place.dovecot, stage.job.users, len(expected))
        if left != len(expected):
            raise RunFailed(f"the server holds {left} messages, and should hold {len(expected)}")

    def _arrived(self, job: Job) -> Sequence[Key]:
        match job.scenario.sink:
            case "smtp":
                return self._place.sink(job.scenario.extensions).taken()
            case "maildir":
                folder = Path(job.target)
                inbox = folder / "INBOX"
                return stored(inbox if inbox.exists() else folder) if folder.exists() else []
            case "mda":
                return stored(job.home / "delivered")
            case _:
                return stored(self._place.dovecot.maildir(job.target_user))

    def _clear(self, stage: Stage) -> None:
        """Remove what a run worked on."""
        for user in (*stage.job.users, stage.job.target_user):
            self._place.dovecot.clear(user)
        shutil.rmtree(stage.job.home)
