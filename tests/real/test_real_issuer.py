"""The private issuer and the Dovecot that asks it do what tests rely on.

Each token goes to Dovecot by the mailhaul command, as a password, or by Python's own client where
mailhaul has no option yet.
"""

from __future__ import annotations

import http.client
import json
import re
import smtplib
import ssl
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.conformance.chromium import chromium

from .corpus import body_of, simple
from .entries import trusting
from .mailhaul import Run, mailhaul
from .servers.aiosmtp import AioSmtp
from .servers.certificates import Certificates
from .servers.dovecot_oauth import DovecotOAuth
from .servers.dovecot_settings import has_new_settings
from .servers.issuer import CODE, DESKTOP, DESKTOP_WITH_SECRET, DEVICE, REFRESH, SERVICE, Issuer
from .servers.issuer_client import REDIRECT, IssuerClient
from .servers.web_user import WebUser

pytestmark = pytest.mark.real

VERIFIER = "a-verifier-of-at-least-43-characters-as-RFC-7636-says"
LOCK = Path(__file__).parent / "servers" / "npm" / "package-lock.json"


@pytest.fixture
def client(issuer: Issuer, certificates: Certificates) -> IssuerClient:
    return IssuerClient(issuer, certificates.authority)


@pytest.fixture
def web(certificates: Certificates) -> WebUser:
    return WebUser(certificates.authority)


@pytest.fixture
def owner(dovecot_oauth: DovecotOAuth) -> str:
    """A user with one message."""
    user = dovecot_oauth.new_user()
    dovecot_oauth.deliver(user, simple())
    return user


def token_by(grant: str, client: IssuerClient, user: str) -> str:
    """Return an access token for a user; a service has one for itself alone."""
    match grant:
        case "code":
            return client.by_code(user)["access_token"]
        case "device":
            return client.by_device(user)["access_token"]
        case "refresh":
            return client.refresh(client.by_code(user)["refresh_token"])["access_token"]
        case _:
            return client.by_credentials()["access_token"]


ENTRY = """\
poll "{protocol}" via localhost no dns protocol {protocol} port {port} auth {auth}
  user {user} password "{token}" is bob here
  ssl sslcertfile "{authority}" maildir "{protocol}"
"""


def haul(
    dovecot: DovecotOAuth, certificates: Certificates, home: Path, user: str, token: str
) -> Run:
    """Fetch by IMAP with OAUTHBEARER and by POP3 with XOAUTH2, in one run."""
    rc = ""
    for protocol, auth, port in (
        ("IMAP", "oauthbearer", dovecot.imaps_port),
        ("POP3", "xoauth2", dovecot.pop3s_port),
    ):
        about = {"protocol": protocol, "auth": auth, "port": port, "user": user, "token": token}
        rc += ENTRY.format(**about, authority=certificates.authority)
    run = mailhaul(rc, home, "--keep", "--one-by-one")
    assert token not in run.out + run.err
    return run


GRANTS = ["code", "device", "refresh", "credentials"]


@pytest.mark.parametrize("grant", GRANTS)
def test_a_token_by_any_grant_opens_a_mailbox_by_imap_and_pop3(
    dovecot_oauth: DovecotOAuth,
    certificates: Certificates,
    client: IssuerClient,
    owner: str,
    tmp_path: Path,
    grant: str,
) -> None:
    if grant == "credentials":
        dovecot_oauth.clear(SERVICE)
        dovecot_oauth.deliver(SERVICE, simple())
        owner = SERVICE
    token = token_by(grant, client, owner)
    run = haul(dovecot_oauth, certificates, tmp_path, owner, token)
    assert (run.code, run.err) == (0, "")
    for protocol in ("IMAP", "POP3"):
        [stored] = (tmp_path / protocol / "new").iterdir()
        assert body_of(stored.read_bytes()) == body_of(simple())


@pytest.mark.parametrize("fate", ["revoked", "expired", "of another user", "unknown"])
def test_a_bad_token_is_refused_by_imap_and_pop3(
    dovecot_oauth: DovecotOAuth,
    certificates: Certificates,
    issuer: Issuer,
    client: IssuerClient,
    owner: str,
    tmp_path: Path,
    fate: str,
) -> None:
    token = client.by_code("somebody" if fate == "of another user" else owner)["access_token"]
    match fate:
        case "revoked":
            assert client.revoke(token).status == 200
        case "expired":
            issuer.pass_time(3601)
        case "unknown":
            token = issuer.password
        case _:
            pass
    run = haul(dovecot_oauth, certificates, tmp_path, owner, token)
    assert run.code == 3
    assert run.err.count("Authentication failed") == 2, run.err


def test_an_issuer_in_trouble_is_no_refusal(
    dovecot_oauth: DovecotOAuth,
    certificates: Certificates,
    issuer: Issuer,
    client: IssuerClient,
    owner: str,
    tmp_path: Path,
) -> None:
    if has_new_settings():
        pytest.skip("Dovecot 2.4 says AUTHENTICATIONFAILED when the issuer answers it with 500")
    token = client.by_code(owner)["access_token"]
    issuer.fail(500, endpoint="introspection", times=10)
    run = haul(dovecot_oauth, certificates, tmp_path, owner, token)
    assert run.code != 0
    assert "Temporary authentication failure" in run.err


def submit(
    dovecot: DovecotOAuth,
    certificates: Certificates,
    user: str,
    token: str,
    mechanism: str,
    reasons: list[bytes],
) -> None:
    """Submit a message; ``reasons`` gets what the server gives for a refusal (RFC 7628, 3.2.2)."""
    context = ssl.create_default_context(cafile=str(certificates.authority))
    message = {
        "XOAUTH2": f"user={user}\1auth=Bearer {token}\1\1",
        "OAUTHBEARER": f"n,a={user},\1auth=Bearer {token}\1\1",
    }[mechanism]

    def respond(challenge: bytes | None = None) -> str:
        if not challenge:
            return message
        reasons.append(challenge)
        return "\1"

    with smtplib.SMTP("localhost", dovecot.submission_port, timeout=15) as smtp:
        smtp.starttls(context=context)
        smtp.ehlo()
        smtp.auth(mechanism, respond)
        smtp.sendmail(f"{user}@example.org", ["bob@example.net"], simple())


@pytest.mark.parametrize("mechanism", ["OAUTHBEARER", "XOAUTH2"])
@pytest.mark.parametrize("grant", GRANTS)
def test_a_token_by_any_grant_submits_a_message(
    dovecot_oauth: DovecotOAuth,
    certificates: Certificates,
    client: IssuerClient,
    relay: AioSmtp,
    grant: str,
    mechanism: str,
) -> None:
    relay.clear()
    user = SERVICE if grant == "credentials" else "ann"
    submit(dovecot_oauth, certificates, user, token_by(grant, client, user), mechanism, [])
    [taken] = relay.delivered()
    assert body_of(taken) == body_of(simple())


@pytest.mark.parametrize("mechanism", ["OAUTHBEARER", "XOAUTH2"])
def test_a_revoked_token_submits_nothing(
    dovecot_oauth: DovecotOAuth,
    certificates: Certificates,
    issuer: Issuer,
    client: IssuerClient,
    mechanism: str,
) -> None:
    token = client.by_code("ann")["access_token"]
    client.revoke(token)
    reasons: list[bytes] = []
    with pytest.raises(smtplib.SMTPAuthenticationError) as caught:
        submit(dovecot_oauth, certificates, "ann", token, mechanism, reasons)
    assert caught.value.smtp_code == 535
    [reason] = map(json.loads, reasons)
    assert reason["status"] == ("401" if mechanism == "XOAUTH2" else "invalid_token")
    if mechanism == "XOAUTH2":
        assert reason["scope"] == "mail"
    else:
        assert reason["openid-configuration"] == issuer.metadata


def test_only_who_trusts_the_authority_reaches_the_issuer(issuer: Issuer) -> None:
    with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
        urllib.request.urlopen(issuer.metadata, context=ssl.create_default_context())


def test_the_environment_of_a_user_is_enough_to_trust_it(
    issuer: Issuer, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in trusting(certificates).items():
        monkeypatch.setenv(name, value)
    with urllib.request.urlopen(issuer.metadata, context=ssl.create_default_context()) as answer:
        assert json.load(answer)["issuer"] == issuer.url


def test_a_refresh_token_rotates_and_a_used_one_ends_the_grant(
    issuer: Issuer, client: IssuerClient
) -> None:
    first = client.by_code("ann")
    second = client.refresh(first["refresh_token"])
    assert second["refresh_token"] != first["refresh_token"]
    again = client.refresh(first["refresh_token"])
    assert (again.status, again["error"]) == (400, "invalid_grant")
    assert client.refresh(second["refresh_token"])["error"] == "invalid_grant"


def test_for_some_time_a_used_refresh_token_may_be_taken_again(
    issuer: Issuer, client: IssuerClient
) -> None:
    issuer.set(grace=30)
    first = client.by_code("ann")["refresh_token"]
    client.refresh(first)
    second = client.refresh(first)["refresh_token"]
    issuer.pass_time(32)
    assert client.refresh(second).status == 200
    assert client.refresh(first)["error"] == "invalid_grant"


def test_without_rotation_a_refresh_token_stays(issuer: Issuer, client: IssuerClient) -> None:
    issuer.set(rotate=False)
    token = client.by_code("ann")["refresh_token"]
    assert client.refresh(token)["refresh_token"] == token
    assert client.refresh(token).status == 200


def test_a_client_with_a_secret_has_to_give_it(client: IssuerClient) -> None:
    answer = client.by_code("ann", DESKTOP_WITH_SECRET)
    fields = {"refresh_token": answer["refresh_token"], "client_secret": "another"}
    about = {"grant_type": REFRESH, "client_id": DESKTOP_WITH_SECRET, **fields}
    refused = client.request("POST", client.endpoint("token"), about)
    assert (refused.status, refused["error"]) == (401, "invalid_client")
    assert client.refresh(answer["refresh_token"], DESKTOP_WITH_SECRET).status == 200


def test_lifetimes_are_what_a_test_sets(issuer: Issuer, client: IssuerClient) -> None:
    issuer.set(access=7, refresh=20)
    answer = client.by_code("ann")
    assert answer["expires_in"] == "7"
    issuer.pass_time(21)
    assert client.refresh(answer["refresh_token"])["error"] == "invalid_grant"


def test_grants_of_a_user_are_listed_and_revoked(issuer: Issuer, client: IssuerClient) -> None:
    token = client.by_code("carol")["refresh_token"]
    client.by_device("carol")
    client.by_code("dave")
    assert [(one["client"], one["scope"]) for one in issuer.grants("carol")] == [
        (DESKTOP, "mail"),
        (DESKTOP, "mail"),
    ]
    assert issuer.grants("carol")[0]["tokens"].count("RefreshToken") == 1
    issuer.revoke("carol")
    assert issuer.grants("carol") == []
    assert client.refresh(token)["error"] == "invalid_grant"
    assert len(issuer.grants("dave")) == 1


def test_faults_come_one_by_one_and_end(issuer: Issuer, client: IssuerClient) -> None:
    token = client.by_code("ann")["refresh_token"]
    issuer.clear()
    issuer.fail(429, headers={"Retry-After": "3"}, body='{"error":"slow_down"}')
    issuer.fail(503, times=2)
    busy = client.refresh(token)
    assert (busy.status, busy.headers["Retry-After"]) == (429, "3")
    assert busy["error"] == "slow_down"
    assert [client.refresh(token).status for _ in range(3)] == [503, 503, 200]
    assert issuer.counts()["token"] == 4


def test_an_answer_may_be_lost_after_the_refresh_token_has_rotated(
    issuer: Issuer, client: IssuerClient
) -> None:
    token = client.by_code("ann")["refresh_token"]
    issuer.fail(lost=True)
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        client.refresh(token)
    assert client.refresh(token)["error"] == "invalid_grant"


def test_a_slow_issuer_answers_after_the_delay(
    issuer: Issuer, client: IssuerClient, certificates: Certificates
) -> None:
    issuer.fail(503, delay=60.0)
    url = urlsplit(client.endpoint("token"))
    context = ssl.create_default_context(cafile=str(certificates.authority))
    slow = http.client.HTTPSConnection("localhost", url.port, timeout=0.3, context=context)
    slow.request("POST", url.path, "grant_type=refresh_token")
    with pytest.raises(TimeoutError):
        slow.getresponse()
    slow.close()


def test_a_device_waits_until_the_user_has_decided(
    issuer: Issuer, client: IssuerClient, web: WebUser
) -> None:
    issuer.set(interval=0)
    assert "interval" not in client.begin_device().values
    issuer.set(interval=3)
    begun = client.begin_device()
    assert begun["interval"] == "3"
    device = begun["device_code"]
    assert client.token(DEVICE, device_code=device)["error"] == "authorization_pending"
    page = web.submit(web.open(begun["verification_uri"]), user_code=begun["user_code"])
    assert begun["user_code"] in page.text
    page = web.submit(page)
    page = web.submit(page, login="ann", password=issuer.password)
    page = web.submit(page, ("decision", "allow"))
    assert "The device is connected" in page.text
    assert client.token(DEVICE, device_code=device).status == 200
    assert client.token(DEVICE, device_code=device)["error"] == "invalid_grant"


def test_a_device_learns_that_the_user_denied_or_did_nothing(
    issuer: Issuer, client: IssuerClient, web: WebUser
) -> None:
    denied, late = client.begin_device(), client.begin_device()
    url = denied["verification_uri_complete"]
    web.sign_in(url, "ann", issuer.password, decision="deny")
    assert client.token(DEVICE, device_code=denied["device_code"])["error"] == "access_denied"
    issuer.pass_time(601)
    assert client.token(DEVICE, device_code=late["device_code"])["error"] == "expired_token"


def test_a_wrong_password_and_a_denial_lead_to_no_code(
    issuer: Issuer, client: IssuerClient, web: WebUser
) -> None:
    page = web.sign_in(client.code_url(VERIFIER), "ann", "wrong")
    assert page.status == 401
    assert "Wrong name or password" in page.text
    page = web.sign_in(client.code_url(VERIFIER), "ann", issuer.password, decision="deny")
    answer = dict(parse_qsl(urlsplit(page.url).query))
    assert (answer["error"], answer["state"]) == ("access_denied", "of-the-test")


def test_any_port_on_loopback_is_good_and_no_other_place(
    issuer: Issuer, client: IssuerClient, web: WebUser
) -> None:
    for redirect in ("http://127.0.0.1:1/callback", "http://[::1]:65000/", "http://localhost:2/"):
        url = client.code_url(VERIFIER, redirect=redirect)
        page = web.sign_in(url, "ann", issuer.password)
        assert page.url.startswith(f"{redirect}?")
    for redirect in ("http://127.0.0.1:1/elsewhere", "http://192.0.2.1/", "https://127.0.0.1:1/"):
        page = web.open(client.code_url(VERIFIER, redirect=redirect))
        assert page.status == 400
        assert "redirect_uri" in page.text


def test_a_code_needs_its_verifier_and_is_good_once(
    issuer: Issuer, client: IssuerClient, web: WebUser
) -> None:
    page = web.sign_in(client.code_url(VERIFIER), "ann", issuer.password)
    fields = {"code": dict(parse_qsl(urlsplit(page.url).query))["code"], "redirect_uri": REDIRECT}
    wrong = client.token(CODE, **fields, code_verifier=VERIFIER[::-1])
    assert wrong["error"] == "invalid_grant"
    page = web.sign_in(client.code_url(VERIFIER), "ann", issuer.password)
    fields["code"] = dict(parse_qsl(urlsplit(page.url).query))["code"]
    good = client.token(CODE, **fields, code_verifier=VERIFIER)
    assert good.status == 200
    assert client.token(CODE, **fields, code_verifier=VERIFIER)["error"] == "invalid_grant"
    # RFC 6749, 4.1.2: what the code was exchanged for is revoked.
    assert client.refresh(good["refresh_token"])["error"] == "invalid_grant"


def test_without_a_challenge_there_is_no_code(client: IssuerClient, web: WebUser) -> None:
    url = re.sub("&code_challenge.*", "", client.code_url(VERIFIER))
    assert "invalid_request" in web.open(url).url


def test_a_person_signs_in_with_a_browser(
    issuer: Issuer, client: IssuerClient, tmp_path: Path
) -> None:
    paths: list[str] = []

    class Arrival(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            return

    options = (
        "--ignore-certificate-errors",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
    )
    with HTTPServer(("127.0.0.1", 0), Arrival) as server, chromium(tmp_path, *options) as browser:
        arrival = threading.Thread(target=server.handle_request)
        server.timeout = 15
        arrival.start()
        redirect = f"http://127.0.0.1:{server.server_port}/"
        browser.visit(client.code_url(VERIFIER, redirect=redirect))
        browser.value("document.querySelector('[name=login]').focus()")
        browser.type("ann")
        browser.value("document.querySelector('[name=password]').focus()")
        browser.type(issuer.password)
        browser.value("document.querySelector('button').click()")
        browser.await_load()
        assert browser.value("document.title") == "Consent"
        browser.value("document.querySelector('[value=allow]').click()")
        arrival.join()
    [path] = paths
    code = dict(parse_qsl(urlsplit(path).query))["code"]
    fields = {"code": code, "redirect_uri": redirect, "code_verifier": VERIFIER}
    assert client.token(CODE, **fields).status == 200


def test_every_pinned_module_runs_on_node_18_and_none_names_a_host() -> None:
    lock = json.loads(LOCK.read_text())
    for name, module in lock["packages"].items():
        assert "resolved" not in module, name
        ranges = module.get("engines", {}).get("node", ">=0").replace(" ", "").split("||")
        lowest = [(one[0], int(re.sub(r"\D*(\d+).*", r"\1", one))) for one in ranges]
        assert any(number == 18 if sign == "^" else number <= 18 for sign, number in lowest), (
            name,
            ranges,
        )
