"""Programs that are ended while they renew a token, with a real issuer that rotates refresh tokens.

The issuer ends a consent when a used refresh token comes again. Between its answer and the file
nobody can help: a kill there is survived only with an issuer that takes the former token for some
seconds more, as many do. A signal that a program can handle waits for the file.

Few here, 500 with ``make soak`` (MAILHAUL_SOAK=1), which takes up to an hour on a busy machine and
shows how far it is.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from .daemon import until
from .servers.certificates import Certificates
from .servers.dovecot_oauth import DovecotOAuth
from .servers.issuer import Issuer
from .servers.process import free_ports
from .sign_in import SignIn

pytestmark = pytest.mark.real

SOAK = bool(os.environ.get("MAILHAUL_SOAK"))
KILLS = 500 if SOAK else 8
SIGNALS = 100 if SOAK else 8
CHECK_EVERY = 5
"""Kills between two runs to the end: a consent that is lost stays lost until one of them."""
CONSENT_NEEDED = 3
"""The exit code of a run without a consent."""
UNREACHABLE = 2
"""That of a run that has a token, and no server to use it at."""


MODES: Mapping[str, tuple[int, Sequence[str]]] = {
    "one account": (1, ()),
    "two accounts": (2, ()),
    "daemon": (1, ("-N", "-d", "1")),
}
"""How many entries there are, and the options of the runs that are ended."""


class Killed:
    """Runs that renew a token, which then are ended."""

    def __init__(self, signing: SignIn, mode: str = "one account") -> None:
        entries, self.options = MODES[mode]
        seed = int(os.environ.get("MAILHAUL_KILLS_SEED", time.time_ns()))
        print(f"MAILHAUL_KILLS_SEED={seed}")
        self.chance = random.Random(seed)
        self.signing = signing
        self.hits = 0
        self.renewing = 0
        self.lost = 0
        port = f"port {signing.dovecot.imaps_port}"
        # The token comes first, then the server: one that is not there saves time.
        self.rc = "".join(
            signing.entry('maildir "Mail"', name=f"n{n}").replace(port, f"port {closed}")
            for n, closed in enumerate(free_ports(entries))
        )
        # Each run has to renew it.
        signing.issuer.set(access=0)
        signing.log_in(self.rc)
        began = time.monotonic()
        self.check()
        self.span = time.monotonic() - began

    def check(self) -> None:
        """Run to the end; count a consent that was lost, and give it again."""
        code, out = self.signing.run(self.rc)
        if not self.is_lost(code):
            assert code == UNREACHABLE, out

    def is_lost(self, code: int) -> bool:
        """Count a consent that was lost, and give it again."""
        if code != CONSENT_NEEDED:
            return False
        self.lost += 1
        self.signing.log_in(self.rc)
        return True

    def strike_until(self, hits: int, number: int) -> None:
        """End so many runs by a signal, and look after the consent from time to time."""
        while self.hits < hits:
            self.strike(number)
            if self.hits % CHECK_EVERY == 0:
                self.check()
            if self.hits % 50 == 0:
                self.report()
        self.check()

    def strike(self, number: int) -> None:
        """End a run by a signal at some moment.

        In half of the runs the issuer has replaced the token and takes its time to say so.
        """
        late = self.span * (self.hits % 2)
        self.signing.issuer.fail(late=late)
        program = self.signing.start(self.rc, *self.options)
        if late:
            until(self.is_renewing)
        try:
            program.wait(self.chance.uniform(0.0, 1.2 * self.span))
        except subprocess.TimeoutExpired:
            self.hits += 1
            program.send_signal(number)
        self.is_lost(self.signing.end(program)[0])
        self.renewing += self.is_renewing()
        # The fault of a run that was ended early.
        self.signing.issuer.clear_faults()

    def is_renewing(self) -> bool:
        """Whether a token is being renewed, or was when its program was killed."""
        return any(self.signing.home.rglob("*.json.new"))

    def report(self) -> None:
        print(
            f"{self.hits} hits, {self.renewing} while renewing, {self.lost} consents lost",
            flush=True,
        )


@pytest.fixture
def signing(
    dovecot_oauth: DovecotOAuth, certificates: Certificates, issuer: Issuer, tmp_path: Path
) -> Iterator[SignIn]:
    user = dovecot_oauth.new_user()
    yield SignIn(tmp_path, issuer, dovecot_oauth, certificates, user)
    issuer.clear()


@pytest.mark.parametrize("mode", MODES)
def test_no_kill_loses_a_consent_of_an_issuer_with_a_grace_period(
    signing: SignIn, mode: str
) -> None:
    killed = Killed(signing, mode)
    signing.issuer.set(grace=60)
    killed.strike_until(KILLS, signal.SIGKILL)
    killed.report()
    assert killed.lost == 0
    assert killed.renewing > 0


@pytest.mark.parametrize("mode", MODES)
def test_no_signal_loses_a_consent_of_any_issuer(signing: SignIn, mode: str) -> None:
    killed = Killed(signing, mode)
    killed.strike_until(SIGNALS, signal.SIGTERM)
    killed.report()
    assert killed.lost == 0


def test_two_programs_at_a_time_share_one_renewal(signing: SignIn) -> None:
    killed = Killed(signing, "two accounts")
    signing.issuer.set(access=3600)
    before = signing.issuer.counts()["token"]
    programs = [signing.start(killed.rc, f"n{n}") for n in range(2)]
    assert {signing.end(program)[0] for program in programs} == {UNREACHABLE}
    assert signing.issuer.counts()["token"] == before + 1


def test_an_answer_that_is_lost_on_the_line(signing: SignIn) -> None:
    killed = Killed(signing)
    signing.issuer.set(grace=60)
    signing.issuer.fail(lost=True)
    killed.check()
    assert killed.lost == 0
    # Without a grace period the issuer takes the consent back, and the user is told.
    signing.issuer.set(grace=0)
    signing.issuer.fail(lost=True)
    killed.check()
    assert killed.lost == 1
    assert "consent needed" in signing.said


@pytest.mark.skipif(not SOAK, reason="it says what no program can help, and needs many kills")
def test_the_strictest_issuer_takes_back_only_what_was_being_renewed(signing: SignIn) -> None:
    """Half of the kills are aimed at the time between the issuer's answer and the file."""
    killed = Killed(signing)
    while killed.hits < KILLS:
        killed.strike(signal.SIGKILL)
        killed.check()
    killed.report()
    assert 0 < killed.lost < killed.renewing
