"""``mailhaul login`` and ``logout`` as programs, with an issuer of the tests and plain HTTP."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .small_issuer import SmallIssuer, small_issuer, visit


@pytest.fixture
def issuer() -> Iterator[SmallIssuer]:
    with small_issuer() as found:
        yield found


def start(folder: Path, rc: str, *arguments: str) -> subprocess.Popen[str]:
    path = folder / "rc"
    path.write_text(rc)
    path.chmod(0o600)
    environment = {
        name: value for name, value in os.environ.items() if name not in {"DISPLAY", "HOME"}
    }
    return subprocess.Popen(
        [sys.executable, "-m", "mailhaul", *arguments, "-f", str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**environment, "HOME": str(folder), "FETCHMAILHOME": str(folder)},
    )


def entry(issuer: SmallIssuer, more: str = "") -> str:
    return (
        f"poll mail.example.org protocol imap auth oauth oauthissuer '{issuer.url}' "
        f"oauthclient the-id {more} user joe@x.example\n"
    )


def address_in(program: subprocess.Popen[str]) -> str:
    assert program.stdout
    while line := program.stdout.readline():
        if line.startswith("http"):
            return line.strip()
    raise AssertionError("no address")


def finish(program: subprocess.Popen[str], typed: str | None = None) -> tuple[int, str, str]:
    out, errors = program.communicate(typed, timeout=60)
    assert "Traceback" not in errors
    return program.returncode, out, errors


def saved(folder: Path) -> dict[str, object]:
    [path] = [path for path in folder.rglob("*.json") if path.parent.name == "tokens"]
    assert path.stat().st_mode & 0o777 == 0o600
    found: dict[str, object] = json.loads(path.read_text())
    return found


SECRETS = ("the-code", "access-token", "refresh-token", "verifier")


def test_a_consent_in_the_browser(issuer: SmallIssuer, tmp_path: Path) -> None:
    program = start(tmp_path, entry(issuer), "login", "joe@x.example")
    status, back = visit(address_in(program))
    assert status == 302
    assert visit(back)[0] == 200
    code, out, errors = finish(program)
    assert (code, errors) == (0, "")
    assert f"joe@x.example: signed in at {issuer.url}" in out
    assert not [secret for secret in SECRETS if secret in out + errors]
    found = saved(tmp_path)
    assert (found["access"], found["refresh"]) == ("access-token-1", "refresh-token-1")
    assert found["scope"] == ["openid", "offline_access"]

    code, out, errors = finish(start(tmp_path, entry(issuer), "login", "--list"))
    assert (code, errors) == (0, "")
    assert out.splitlines()[0].split() == [
        *("USER", "ISSUER", "GRANT", "EXPIRES", "STATE", "SCOPE")
    ]
    assert "joe@x.example" in out
    assert "valid" in out
    assert not [secret for secret in SECRETS if secret in out]

    code, out, errors = finish(start(tmp_path, entry(issuer), "logout", "mail.example.org"))
    assert (code, errors) == (0, "")
    assert "signed out; the token is removed" in out
    assert issuer.revoked == ["refresh-token-1"]
    assert not list(tmp_path.rglob("tokens/*.json"))
    assert finish(start(tmp_path, entry(issuer), "logout", "joe@x.example"))[0] == 1


def test_an_address_that_is_pasted(issuer: SmallIssuer, tmp_path: Path) -> None:
    program = start(tmp_path, entry(issuer), "login", "joe@x.example", "--paste")
    _, back = visit(address_in(program))
    assert program.stdin
    program.stdin.write("https://elsewhere.example/?code=x&state=y\n")
    program.stdin.flush()
    code, out, errors = finish(program, f"{back}\n")
    assert (code, errors) == (0, "")
    assert "this is not the right address: it belongs to another attempt" in out
    assert "signed in" in out


def test_a_user_who_says_no(issuer: SmallIssuer, tmp_path: Path) -> None:
    issuer.agrees = False
    program = start(tmp_path, entry(issuer), "login", "joe@x.example")
    _, back = visit(address_in(program))
    assert visit(back)[0] == 400
    code, _, errors = finish(program)
    assert code == 3
    assert f"{issuer.url} gives no token: access_denied" in errors
    assert not list(tmp_path.rglob("tokens/*.json"))


def test_a_code_for_another_device(issuer: SmallIssuer, tmp_path: Path) -> None:
    rc = entry(issuer, "oauthgrant device")
    code, out, errors = finish(start(tmp_path, rc, "login", "joe@x.example@mail.example.org"))
    assert (code, errors) == (0, "")
    assert f"Open {issuer.url}/activate on any device and enter the code WDJB-MJHT" in out
    assert saved(tmp_path)["refresh"] == "refresh-token-1"


def test_client_credentials_are_tried(issuer: SmallIssuer, tmp_path: Path) -> None:
    rc = entry(issuer, "oauthgrant client oauthsecret sesame")
    code, out, errors = finish(start(tmp_path, rc, "login", "joe@x.example"))
    assert (code, errors) == (0, "")
    assert "signed in" in out
    assert saved(tmp_path)["access"] == "access-token-1"


def test_nobody_is_asked_for_a_consent_that_cannot_be_saved(
    issuer: SmallIssuer, tmp_path: Path
) -> None:
    rc = entry(issuer)
    program = start(tmp_path, rc, "login", "joe@x.example")
    visit(visit(address_in(program))[1])
    assert finish(program)[0] == 0
    for path in tmp_path.rglob("tokens/*.json"):
        path.write_text("{")
    code, out, errors = finish(start(tmp_path, rc, "login", "joe@x.example"))
    assert (code, out) == (6, "")
    assert "it is damaged; remove it" in errors


def test_a_permission_that_was_left_out_is_named(issuer: SmallIssuer, tmp_path: Path) -> None:
    issuer.scope = "openid"
    rc = entry(issuer, "oauthscope 'mail.read' openid")
    program = start(tmp_path, rc, "login", "joe@x.example")
    visit(visit(address_in(program))[1])
    code, _, errors = finish(program)
    assert code == 3
    assert "the consent does not include mail.read" in errors


def test_trouble_of_the_issuer_keeps_the_token_at_logout(
    issuer: SmallIssuer, tmp_path: Path
) -> None:
    program = start(tmp_path, entry(issuer), "login", "joe@x.example")
    visit(visit(address_in(program))[1])
    assert finish(program)[0] == 0
    issuer.down = True
    code, _, errors = finish(start(tmp_path, entry(issuer), "logout", "joe@x.example"))
    assert code == 2
    assert "was not revoked and is kept" in errors
    assert saved(tmp_path)["refresh"] == "refresh-token-1"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("login",), "invalid arguments"),
        (("login", "a", "b"), "invalid arguments"),
        (("login", "a", "--device", "--paste"), "invalid arguments"),
        (("logout", "a", "--device"), "invalid arguments"),
        (("login", "ann"), 'no account "ann" uses OAuth; these do: joe@x.example'),
    ],
)
def test_mistakes_are_named(
    issuer: SmallIssuer, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    code, _, errors = finish(start(tmp_path, entry(issuer), *arguments))
    assert code == 5
    assert words in errors


def test_an_account_without_oauth_is_told_what_to_write(
    issuer: SmallIssuer, tmp_path: Path
) -> None:
    code, _, errors = finish(start(tmp_path, "poll h user joe password x\n", "login", "joe"))
    assert code == 5
    assert 'write "auth oauth" there' in errors


def test_the_address_is_shown_also_if_a_browser_was_started(
    issuer: SmallIssuer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A browser that says that it has opened the page may be in another session."""
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-9")
    monkeypatch.setenv("BROWSER", "true %s")
    program = start(tmp_path, entry(issuer), "login", "joe@x.example")
    visit(visit(address_in(program))[1])
    code, out, errors = finish(program)
    assert (code, errors) == (0, "")
    assert "signed in" in out
