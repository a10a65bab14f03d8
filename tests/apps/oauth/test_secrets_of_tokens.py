"""Nothing secret of OAuth is shown: tokens, codes, the verifier, the client secret, device codes.

The issuer and the mail server of these tests repeat in their refusals all that they were sent.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from mailhaul.adapters.oauth import keeper as keeper_module
from mailhaul.adapters.oauth import store as store_module
from mailhaul.apps import main

from ..bad.running import script
from ..bad.scripted_imap import ScriptedImap, message
from .small_issuer import SmallIssuer, small_issuer, visit

CLIENT_SECRET = "client-sesame+5Wq/opens="
SOURCE_OPTIONS = f"oauthclient the-id oauthsecret '{CLIENT_SECRET}'"
LOOK = (
    "tr '\\0' '\\n' </proc/$$/cmdline; tr '\\0' '\\n' </proc/$PPID/cmdline; "
    "tr '\\0' '\\n' </proc/$PPID/environ; env; ulimit -c"
)


class User:
    """A user with an rc file, and everything that was shown."""

    def __init__(self, issuer: SmallIssuer, folder: Path) -> None:
        self.issuer = issuer
        self.folder = folder
        self.shown = ""
        self.environment: dict[str, str] = {}

    def entry(self, port: int = 9, sink: str = "mda cat", options: str = SOURCE_OPTIONS) -> str:
        return (
            f"poll localhost protocol imap port {port} auth oauth oauthissuer '{self.issuer.url}' "
            f"{options} no dns timeout 5 user joe@x.example sslproto '' is joe here {sink}\n"
        )

    def start(self, rc: str, *arguments: str) -> subprocess.Popen[str]:
        path = self.folder / "rc"
        path.write_text(rc)
        path.chmod(0o600)
        known = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
        rcfile = () if arguments[:1] == ("status",) else ("-f", str(path))
        home = {"HOME": str(self.folder), "FETCHMAILHOME": str(self.folder)}
        return subprocess.Popen(
            [sys.executable, "-m", "mailhaul", *arguments, *rcfile],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**known, **home, **self.environment},
        )

    def finish(self, program: subprocess.Popen[str], typed: str | None = None) -> int:
        out, _ = program.communicate(typed, timeout=60)
        assert "Traceback" not in out
        self.shown += out
        return program.returncode

    def run(self, rc: str, *arguments: str) -> int:
        return self.finish(self.start(rc, *arguments))

    def log_in(self, rc: str, *arguments: str) -> int:
        program = self.start(rc, "login", "joe@x.example", *arguments)
        assert program.stdout
        while not (line := program.stdout.readline()).startswith("http"):
            assert line
        # What runs is looked at from outside as well.
        self.shown += Path(f"/proc/{program.pid}/cmdline").read_text()
        self.shown += Path(f"/proc/{program.pid}/environ").read_text()
        visit(visit(line.strip())[1])
        return self.finish(program)

    @property
    def secrets(self) -> set[str]:
        """All that must not be shown, as the issuer got to know it or gave it."""
        names = ("code", "code_verifier", "refresh_token", "device_code", "client_secret", "token")
        sent = {form[name] for form in self.issuer.forms for name in names if name in form}
        given = {f"{kind}-token-" for kind in ("access", "refresh")}
        return {CLIENT_SECRET, *sent, *given}

    def check(self) -> None:
        """Fail if a secret was shown, in any form in which it is sent."""
        for secret in self.secrets:
            pairs = (secret, f"the-id:{secret}", f"the-id:{quote(secret, safe='')}")
            for form in (secret, quote(secret, safe=""), *map(coded, pairs)):
                assert form not in self.shown, form


def coded(text: str) -> str:
    return b64encode(text.encode()).decode()


@pytest.fixture
def user(tmp_path: Path) -> Iterator[User]:
    with small_issuer() as issuer:
        yield User(issuer, tmp_path)


def echo(issuer: SmallIssuer, monkeypatch: pytest.MonkeyPatch, grant: str) -> None:
    """Let the issuer refuse a grant and repeat what it was sent."""
    good = issuer.post

    def post(path: str, form: dict[str, str]) -> tuple[int, Any]:
        if grant not in form.get("grant_type", path):
            return good(path, form)
        issuer.forms.append(form)
        words = f"you sent {' '.join(form.values())} or {quote(' '.join(form.values()))}"
        return 400, {"error": "invalid_grant", "error_description": words}

    monkeypatch.setattr(issuer, "post", post)


def test_what_the_issuer_repeats_at_a_login_is_not_shown(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    echo(user.issuer, monkeypatch, "authorization_code")
    assert user.log_in(user.entry()) == 3
    assert "you sent" in user.shown
    assert {"code", "code_verifier"} <= set(user.issuer.forms[-1])
    user.check()


def test_what_the_issuer_repeats_about_a_device_is_not_shown(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    echo(user.issuer, monkeypatch, "device_code")
    assert user.run(user.entry(), "login", "joe@x.example", "--device") == 3
    assert "you sent" in user.shown
    assert user.issuer.forms[-1]["device_code"] == "the-device-code"
    user.check()


def test_what_is_pasted_is_not_repeated(user: User) -> None:
    program = user.start(user.entry(), "login", "joe@x.example", "--paste")
    assert program.stdout
    while not (line := program.stdout.readline()).startswith("http"):
        assert line
    _, back = visit(line.strip())
    assert "code=the-code" in back
    wrong = back.replace("state=", "state=x")
    assert user.finish(program, f"{wrong}\n{back}\n") == 0
    assert "not the right address" in user.shown
    user.check()


@pytest.mark.parametrize("daemon", [False, True])
def test_what_the_issuer_repeats_at_a_poll_is_not_shown(
    user: User, monkeypatch: pytest.MonkeyPatch, *, daemon: bool
) -> None:
    user.issuer.lifetime = 0
    assert user.log_in(user.entry()) == 0
    echo(user.issuer, monkeypatch, "refresh_token")
    trace, log = user.folder / "transcript", user.folder / "log"
    log.touch()
    options = ["-v", "-v", f"--transcript={trace}", f"--logfile={log}"]
    if daemon:
        program = user.start(user.entry(), *options, "-N", "-d", "1000")
        try:
            while "you sent" not in log.read_text():
                assert program.poll() is None
            assert user.run(user.entry(), "status", "--json") == 7
            assert user.run(user.entry(), "status") == 7
            assert user.shown.count("consent needed") >= 2
        finally:
            program.send_signal(signal.SIGTERM)
            user.finish(program)
    else:
        assert user.run(user.entry(), *options) == 3
    user.shown += log.read_text() + trace.read_text()
    assert "you sent" in user.shown
    assert user.run(user.entry(), "login", "--list") == 0
    assert user.run(user.entry(), "--configdump") == 0
    user.check()


def test_what_the_mail_server_repeats_is_not_shown(user: User) -> None:
    assert user.log_in(user.entry()) == 0
    token = "access-token-1"
    sasl = coded(f"n,a=joe@x.example,\1host=localhost\1auth=Bearer {token}\1\1")
    refused = f"NO no user joe with token {token} or {coded(token)} or {sasl}".encode()
    offers = b"IMAP4rev1 UIDPLUS SASL-IR AUTH=OAUTHBEARER AUTH=XOAUTH2"
    trace = user.folder / "transcript"
    with ScriptedImap(message(1), capabilities=offers, answers={"AUTHENTICATE": refused}) as server:
        rc = user.entry(server.port)
        assert user.run(rc, "-v", "-v", f"--transcript={trace}") == 3
    # Refused, renewed, and refused again.
    assert user.issuer.count == 2
    assert "no user joe with token *" in user.shown
    user.shown += trace.read_text()
    user.check()


def test_programs_that_are_started_see_nothing(user: User) -> None:
    seen = user.folder / "seen"
    user.environment["THE_SECRET"] = CLIENT_SECRET
    secret = "oauthclient the-id oauthsecretenv THE_SECRET"
    plugin = script(user.folder / "plugin", f"({LOOK}) >>{seen}")
    command = script(user.folder / "command", f"({LOOK}) >>{seen}")
    assert user.log_in(user.entry()) == 0
    user.shown = ""
    user.issuer.lifetime = 0
    user.issuer.valid.clear()
    options = f'{secret} plugin "{plugin}"'
    rc = user.entry(sink=f'mda cat preconnect "{command}"', options=options)
    saved = next(iter(user.folder.rglob("tokens/*.json")))
    saved.write_text(json.dumps({**json.loads(saved.read_text()), "expires": 1.0}))
    assert user.run(rc, "-v", "-v") == 2
    assert user.issuer.count == 2
    user.shown += seen.read_text()
    assert user.shown.count("HOME=") >= 2
    user.check()


def test_a_browser_is_not_given_what_belongs_to_the_consent(user: User) -> None:
    """Every user of the machine can read its arguments."""
    seen = user.folder / "seen"
    browser = script(user.folder / "browser", f'echo "$@" >{seen}.new; mv {seen}.new {seen}')
    user.environment |= {"DISPLAY": ":9", "BROWSER": f"{browser} %s"}
    program = user.start(user.entry(), "login", "joe@x.example")
    while not seen.exists():
        assert program.poll() is None
    address = seen.read_text().strip()
    assert address.startswith("http://127.0.0.1:")
    assert not [word for word in ("state", "challenge", "client_id") if word in address]
    status, target = visit(address)
    assert status in {302, 303}
    visit(visit(target)[1])
    assert user.finish(program) == 0
    user.check()


@pytest.mark.parametrize("place", ["document", "sentence_of"])
def test_a_bug_shows_its_place_and_no_token(
    user: User,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    place: str,
) -> None:
    user.issuer.lifetime = 0
    assert user.log_in(user.entry()) == 0

    def fail(*values: object) -> None:
        raise ValueError(f"access-token-2 refresh-token-1 {values!r}")

    monkeypatch.setattr(store_module if place == "document" else keeper_module, place, fail)
    monkeypatch.setattr(main, "leave_no_core", lambda: None)
    for name, value in {"HOME": str(user.folder), "FETCHMAILHOME": str(user.folder)}.items():
        monkeypatch.setenv(name, value)
    if place == "sentence_of":
        user.issuer.refresh.clear()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    with ExitStack() as after:
        for number, handler in handlers.items():
            after.callback(signal.signal, number, handler)
        assert main.main(["-vv", "-f", str(user.folder / "rc")]) == 23
    said = "".join(capsys.readouterr())
    assert "internal error, please report it: ValueError" in said
    user.shown += said
    user.check()
