"""From ``mailhaul login`` to delivered mail, with a real issuer and a Dovecot that asks it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conformance.chromium import chromium

from .corpus import body_of, simple
from .servers.aiosmtp import AioSmtp
from .servers.certificates import Certificates
from .servers.dovecot_oauth import DovecotOAuth
from .servers.issuer import DESKTOP, DESKTOP_WITH_SECRET, SERVICE, Issuer, secret_of
from .sign_in import ADDRESS, CODE, SignIn

pytestmark = pytest.mark.real


@pytest.fixture
def signing(
    dovecot_oauth: DovecotOAuth, certificates: Certificates, issuer: Issuer, tmp_path: Path
) -> SignIn:
    """A user with one message, who has not signed in."""
    user = dovecot_oauth.new_user()
    dovecot_oauth.deliver(user, simple())
    return SignIn(tmp_path, issuer, dovecot_oauth, certificates, user)


def by_redirect(signing: SignIn, rc: str) -> None:
    signing.log_in(rc)


def by_pasting(signing: SignIn, rc: str) -> None:
    program = signing.start(rc, "login", signing.user, "--paste")
    back = signing.consented(signing.read_until(program, ADDRESS))
    code, out = signing.end(program, f"{back}\n")
    assert code == 0, out


def by_device(signing: SignIn, rc: str) -> None:
    program = signing.start(rc, "login", signing.user, "--device")
    assert signing.read_until(program, CODE)
    signing.consented(signing.read_until(program, re.compile(r"^or open (\S+)$")))
    code, out = signing.end(program)
    assert code == 0, out


WAYS = {"redirect": by_redirect, "paste": by_pasting, "device": by_device}
SECRETS = ("access", "refresh")


def check_secrets(signing: SignIn) -> None:
    """Nothing that was printed has a token in it."""
    for path in signing.token_files():
        assert path.stat().st_mode & 0o777 == 0o600
        saved = json.loads(path.read_text())
        for name in SECRETS:
            assert not saved[name] or saved[name] not in signing.said


def check_mail(box: Path) -> None:
    [stored] = (box / "new").iterdir()
    assert body_of(stored.read_bytes()) == body_of(simple())


@pytest.mark.parametrize("client", [DESKTOP, DESKTOP_WITH_SECRET])
@pytest.mark.parametrize("way", WAYS)
def test_mail_comes_after_any_way_to_sign_in(signing: SignIn, way: str, client: str) -> None:
    signing.client = client
    more = "" if client == DESKTOP else f"oauthsecret {secret_of(client)}"
    grant = "oauthgrant device" if way == "device" else ""
    options = f"{more} {grant}"
    rc = signing.entry('keep maildir "IMAP"', server=options)
    rc += signing.entry('keep maildir "POP3"', "POP3", server=options)
    code, out = signing.run(rc)
    assert (code, signing.issuer.counts().get("token", 0)) == (3, 0), out
    assert f'type "mailhaul login {signing.user}' in out
    WAYS[way](signing, rc)
    # One consent is for both, and their token is the one of the login.
    code, out = signing.run(rc, "-vv")
    assert code == 0, out
    check_mail(signing.home / "IMAP")
    check_mail(signing.home / "POP3")
    before = json.loads(signing.token_files()[0].read_text())
    # An hour later the token is renewed, once, and the refresh token with it.
    signing.issuer.clear()
    [path] = signing.token_files()
    times = {"obtained": before["obtained"] - 3600.0, "expires": before["obtained"] - 1.0}
    path.write_text(json.dumps({**before, **times}))
    code, out = signing.run(rc, "-vv")
    assert code == 1, out
    assert signing.issuer.counts()["token"] == 1
    after = json.loads(path.read_text())
    assert after["access"] != before["access"]
    assert after["refresh"] != before["refresh"]
    check_secrets(signing)
    for name in SECRETS:
        assert before[name] not in signing.said


def test_a_person_with_a_browser(signing: SignIn, tmp_path: Path) -> None:
    options = (
        "--ignore-certificate-errors",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
    )

    def browse(address: str) -> None:
        with chromium(tmp_path / "browser", *options) as browser:
            browser.visit(address)
            browser.value("document.querySelector('[name=login]').focus()")
            browser.type(signing.user)
            browser.value("document.querySelector('[name=password]').focus()")
            browser.type(signing.issuer.password)
            browser.value("document.querySelector('button').click()")
            browser.await_load()
            browser.value("document.querySelector('[value=allow]').click()")
            browser.await_load()

    (tmp_path / "browser").mkdir()
    rc = signing.entry('maildir "Mail"')
    signing.log_in(rc, browse=browse)
    assert signing.run(rc)[0] == 0
    check_mail(signing.home / "Mail")


def test_a_service_needs_no_person(signing: SignIn) -> None:
    signing.user = signing.client = SERVICE
    signing.dovecot.clear(SERVICE)
    signing.dovecot.deliver(SERVICE, simple())
    rc = signing.entry(
        'maildir "Mail"', server=f"oauthgrant client oauthsecret {secret_of(SERVICE)}"
    ).replace("openid offline_access mail", "mail")
    code, out = signing.run(rc, "-vv")
    assert code == 0, out
    check_mail(signing.home / "Mail")
    assert signing.issuer.counts()["token"] == 1
    assert signing.run(rc)[0] == 1
    assert signing.issuer.counts()["token"] == 1
    assert secret_of(SERVICE) not in signing.said
    check_secrets(signing)


def test_a_consent_is_also_for_submission(signing: SignIn, relay: AioSmtp) -> None:
    relay.clear()
    rc = signing.entry(
        f"smtphost localhost/{signing.dovecot.submission_port} smtpname bob@example.net",
        server=f"esmtpname {signing.user} esmtpauth oauth",
    )
    signing.log_in(rc)
    code, out = signing.run(rc, "-vv")
    assert code == 0, out
    [taken] = relay.delivered()
    assert body_of(taken) == body_of(simple())
    assert signing.issuer.counts()["token"] == 1
    check_secrets(signing)


def test_a_consent_is_also_for_append(signing: SignIn) -> None:
    target = f"imaps://{signing.user}@localhost:{signing.dovecot.imaps_port}/Archive"
    rc = signing.entry(f'append "{target}" appendauth oauth')
    signing.log_in(rc)
    code, out = signing.run(rc, "-vv")
    assert code == 0, out
    [stored] = signing.dovecot.mailbox(signing.user, "Archive").messages()
    assert body_of(stored) == body_of(simple())
    assert signing.dovecot.messages(signing.user) == []
    check_secrets(signing)


def revoked(signing: SignIn) -> None:
    signing.issuer.revoke(signing.user)


def expired(signing: SignIn) -> None:
    signing.issuer.pass_time(10 * 86400)


@pytest.mark.parametrize("end", [revoked, expired])
def test_a_consent_that_has_ended_is_named_and_given_again(
    signing: SignIn, end: Callable[[SignIn], None]
) -> None:
    rc = signing.entry('maildir "Mail"')
    signing.log_in(rc)
    end(signing)
    signing.issuer.counts()
    code, out = signing.run(rc)
    assert code == 3
    assert "consent needed" in out
    assert f'type "mailhaul login {signing.user}' in out
    before = signing.issuer.counts()["token"]
    assert signing.run(rc)[0] == 3
    assert signing.issuer.counts()["token"] == before
    signing.log_in(rc)
    assert signing.run(rc)[0] == 0
    check_mail(signing.home / "Mail")


def test_logout_takes_the_consent_back(signing: SignIn) -> None:
    rc = signing.entry('maildir "Mail"')
    signing.log_in(rc)
    saved = json.loads(signing.token_files()[0].read_text())
    code, out = signing.run(rc, "logout", signing.user)
    assert code == 0, out
    assert signing.token_files() == []
    assert not any("RefreshToken" in one["tokens"] for one in signing.issuer.grants(signing.user))
    assert saved["refresh"] not in out
    assert signing.run(rc)[0] == 3
