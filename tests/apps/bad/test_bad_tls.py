"""If TLS is required and fails, no password is sent and no mail is fetched."""

from __future__ import annotations

import datetime
import ssl
from pathlib import Path

import pytest
import trustme

from .peer import NASTY
from .running import SECRET, Run, account, mailhaul
from .scripted_imap import ScriptedImap, message, subjects
from .scripted_smtp import ScriptedSmtp

OFFERS = b"IMAP4rev1 UIDPLUS STARTTLS"


@pytest.fixture(scope="module")
def issuer() -> trustme.CA:
    return trustme.CA()


def context(certificate: trustme.LeafCert) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(made)
    return made


@pytest.fixture
def authority(issuer: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "authority.pem"
    issuer.cert_pem.write_to_path(str(path))
    return path


def poll(server: ScriptedImap, home: Path, authority: Path, options: str) -> Run:
    """Poll; after a failure nothing has changed, and the password was not sent."""
    environment = {"SSL_CERT_FILE": str(authority)}
    run = mailhaul(home, account(server.port, "mda cat", options), environment=environment)
    assert not any(SECRET in line for line in server.commands)
    assert server.changes == []
    assert "localhost" in run.complaint
    return run


@pytest.mark.parametrize(
    ("fault", "words", "hint"),
    [
        ("name", "mismatch", '"sslcommonname"'),
        ("authority", "unable to get local issuer certificate", "sslfingerprint"),
        ("expired", "expired", "clock"),
    ],
)
@pytest.mark.parametrize("wrapped", [True, False], ids=["ssl", "starttls"])
def test_a_wrong_certificate_ends_the_poll_with_reason_and_advice(
    tmp_path: Path,
    issuer: trustme.CA,
    authority: Path,
    fault: str,
    words: str,
    hint: str,
    wrapped: bool,
) -> None:
    past = datetime.datetime(2001, 1, 1, tzinfo=datetime.UTC)
    certificate = {
        "name": lambda: issuer.issue_cert("elsewhere.example.net"),
        "authority": lambda: trustme.CA().issue_cert("localhost"),
        "expired": lambda: issuer.issue_cert("localhost", not_after=past),
    }[fault]()
    with ScriptedImap(
        message(1), capabilities=OFFERS, tls=context(certificate), wrapped=wrapped
    ) as server:
        run = poll(server, tmp_path, authority, "ssl" if wrapped else "")
    assert run.code == 2
    assert "certificate refused" in run.complaint
    assert words in run.complaint
    assert hint in run.complaint


def test_a_certificate_with_another_fingerprint_is_refused(
    tmp_path: Path, issuer: trustme.CA, authority: Path
) -> None:
    pin = ":".join(["00"] * 16)
    with ScriptedImap(tls=context(issuer.issue_cert("localhost")), wrapped=True) as server:
        run = poll(server, tmp_path, authority, f'ssl sslfingerprint "{pin}"')
    assert run.code == 2
    assert 'not your "sslfingerprint"' in run.complaint


def test_a_good_certificate_is_taken(tmp_path: Path, issuer: trustme.CA, authority: Path) -> None:
    good = context(issuer.issue_cert("localhost"))
    with (
        ScriptedImap(message(1), capabilities=OFFERS, tls=good) as server,
        ScriptedSmtp() as sink,
    ):
        rc = account(server.port, f"smtphost localhost/{sink.port}", "")
        run = mailhaul(tmp_path, rc, environment={"SSL_CERT_FILE": str(authority)})
        assert subjects(sink.accepted) == [1]
    assert (run.code, run.err) == (0, "")


def test_a_plain_server_on_a_tls_port_is_recognised(tmp_path: Path, authority: Path) -> None:
    with ScriptedImap(message(1)) as server:
        run = poll(server, tmp_path, authority, "ssl")
    assert run.code == 2
    assert "does not speak TLS on this port" in run.complaint


def test_a_server_that_never_shakes_hands_is_given_up(tmp_path: Path, authority: Path) -> None:
    with ScriptedImap(message(1), greeting=b"") as server:
        run = poll(server, tmp_path, authority, "ssl")
    assert run.code == 2
    assert "timeout after 2 seconds" in run.complaint


@pytest.mark.parametrize("options", ["", "sslproto tls1.2+", "sslcertck"])
@pytest.mark.parametrize("offered", [True, False], ids=["refused", "not offered"])
def test_without_starttls_no_password_is_sent(
    tmp_path: Path, authority: Path, options: str, offered: bool
) -> None:
    capabilities = OFFERS if offered else b"IMAP4rev1 UIDPLUS"
    with ScriptedImap(
        message(1), capabilities=capabilities, answers={"STARTTLS": b"NO " + NASTY}
    ) as server:
        run = poll(server, tmp_path, authority, options)
    assert run.code == 2
    assert "STARTTLS" in run.complaint
    assert "not today \\x1b" in run.complaint
    assert "sslproto" in run.complaint


@pytest.mark.parametrize(
    "injected", [b"* CAPABILITY IMAP4rev1 INJECTED", b"A0003 OK logged in", b"x"]
)
def test_bytes_after_the_ok_to_starttls_end_the_poll(
    tmp_path: Path, authority: Path, injected: bytes
) -> None:
    with ScriptedImap(
        message(1), capabilities=OFFERS, answers={"STARTTLS": b"OK go on\r\n" + injected}
    ) as server:
        run = poll(server, tmp_path, authority, "")
    assert run.code == 4
    assert "STARTTLS" in run.complaint
    assert "unencrypted data" in run.complaint


@pytest.mark.parametrize("options", ["", "sslproto tls1.2+"])
def test_a_login_before_tls_is_refused_where_tls_is_demanded(
    tmp_path: Path, authority: Path, options: str
) -> None:
    with ScriptedImap(message(1), greeting=b"* PREAUTH come in\r\n", capabilities=OFFERS) as server:
        run = poll(server, tmp_path, authority, options)
        assert not any("SELECT" in line for line in server.commands)
    assert run.code == 2
    assert "PREAUTH" in run.complaint
    assert "ssl" in run.complaint


def test_an_authority_file_that_is_missing_is_named(
    tmp_path: Path, issuer: trustme.CA, authority: Path
) -> None:
    good = context(issuer.issue_cert("localhost"))
    with ScriptedImap(message(1), capabilities=OFFERS, tls=good) as server:
        missing = tmp_path / "no.pem"
        run = poll(server, tmp_path, authority, f'sslcertfile "{missing}"')
    assert run.code == 2
    assert f"cannot load {missing}: No such file or directory" in run.complaint


def test_truncated_tls_inside_a_message_is_not_its_end(
    tmp_path: Path, issuer: trustme.CA, authority: Path
) -> None:
    good = context(issuer.issue_cert("localhost"))
    environment = {"SSL_CERT_FILE": str(authority)}
    with (
        ScriptedImap(
            *map(message, (1, 2, 3)), tls=good, wrapped=True, cuts={2: b"of message"}
        ) as server,
        ScriptedSmtp() as sink,
    ):
        rc = account(server.port, f"smtphost localhost/{sink.port}", "ssl")
        run = mailhaul(tmp_path, rc, environment=environment)
        assert subjects(sink.accepted) == [1, 3]
        assert server.kept == [2]
    assert run.code == 2
    assert "TLS was cut without close_notify" in run.complaints[0]


def test_a_login_disabled_inside_tls_does_not_suggest_tls(
    tmp_path: Path, issuer: trustme.CA, authority: Path
) -> None:
    certificate = issuer.issue_cert("localhost")
    with ScriptedImap(
        message(1),
        capabilities=b"IMAP4rev1 LOGINDISABLED AUTH=GSSAPI",
        tls=context(certificate),
        wrapped=True,
    ) as server:
        run = poll(server, tmp_path, authority, "ssl")
    assert run.code == 3
    assert run.complaint.endswith("(LOGINDISABLED); it offers GSSAPI")
