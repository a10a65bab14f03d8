"""Wish 28: TLS as an account needs it: a pinned SHA-256, an authority of one's own, old servers.

What is relaxed for one account is relaxed for no other, and the server hears which host is meant.
sieve#322, sieve#892, vdirsyncer#321; email-oauth2-proxy#162 (a proxy without STARTTLS).
"""

from __future__ import annotations

import hashlib
import ssl
from pathlib import Path

import pytest
import trustme

from mailhaul.flows.outcome import ExitCode
from tests.apps.bad.running import SECRET, mailhaul
from tests.apps.bad.running import account as entry
from tests.apps.bad.scripted_imap import ScriptedImap, message


def account(port: int, options: str) -> str:
    return entry(port, "mda cat", options, server="timeout 9")


def elsewhere(port: int, options: str) -> str:
    """Return an account with another name."""
    return account(port, options).replace("localhost", "else via localhost", 1)


@pytest.fixture(scope="module")
def issuer() -> trustme.CA:
    return trustme.CA()


class TlsServer(ScriptedImap):
    """Speaks TLS at once, and notes which host the client asks for (SNI)."""

    def __init__(
        self, certificate: trustme.LeafCert, version: ssl.TLSVersion | None = None
    ) -> None:
        self.asked: list[str | None] = []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        if version is not None:
            context.set_ciphers("DEFAULT:@SECLEVEL=0")
            context.minimum_version = context.maximum_version = version
        context.sni_callback = lambda _, name, __: self.asked.append(name)
        super().__init__(message(1), tls=context, wrapped=True)
        der = ssl.PEM_cert_to_DER_cert(certificate.cert_chain_pems[0].bytes().decode())
        self.sha256 = hashlib.sha256(der).hexdigest()

    @property
    def heard_a_password(self) -> bool:
        return any(SECRET in line for line in self.commands)


def test_a_pinned_certificate_is_taken_without_any_authority_and_no_other(
    tmp_path: Path, issuer: trustme.CA
) -> None:
    mine, other = (issuer.issue_cert("box.example") for _ in range(2))
    with TlsServer(mine) as server, TlsServer(other) as impostor:
        pin = f'ssl no sslcertck sslfingerprint "{server.sha256}"'
        run = mailhaul(tmp_path, account(server.port, pin))
        assert (run.code, server.asked) == (0, ["localhost"])
        run = mailhaul(tmp_path, account(impostor.port, pin))
        assert run.code == ExitCode.SOCKET
        assert not impostor.heard_a_password
    # It says which one the server has, to compare it with.
    assert impostor.sha256 in run.complaint.replace(":", "").lower()


def test_an_authority_of_ones_own_is_for_its_account_alone_and_a_name_can_be_given(
    tmp_path: Path, issuer: trustme.CA
) -> None:
    authority = tmp_path / "ca.pem"
    issuer.cert_pem.write_to_path(str(authority))
    trust = f"ssl sslcertfile {authority}"
    with (
        TlsServer(issuer.issue_cert("localhost")) as server,
        TlsServer(issuer.issue_cert("mail.example.org")) as other,
    ):
        rc = account(server.port, trust)
        run = mailhaul(tmp_path, rc + elsewhere(other.port, "ssl"))
        assert (run.code, list(server.mailbox), list(other.mailbox)) == (0, [], [1])
        assert run.complaint.startswith("joe@else: localhost: certificate refused: ")
        assert "sslcertfile" in run.complaint
        # For a wrong name there is advice about the name, and not about the authority.
        run = mailhaul(tmp_path, account(other.port, trust))
        assert run.code == ExitCode.SOCKET
        assert "sslcommonname" in run.complaint
        assert "sslcertfile" not in run.complaint
        assert not other.heard_a_password
        named = f"{trust} sslcommonname mail.example.org"
        assert mailhaul(tmp_path, account(other.port, named)).code == 0


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_an_old_server_is_used_only_by_the_account_that_says_so(
    tmp_path: Path, issuer: trustme.CA
) -> None:
    authority = tmp_path / "ca.pem"
    issuer.cert_pem.write_to_path(str(authority))
    certificate = issuer.issue_cert("localhost")
    old = ssl.TLSVersion.TLSv1
    with TlsServer(certificate, old) as server, TlsServer(certificate, old) as other:
        trust = f"ssl sslcertfile {authority}"
        rc = account(server.port, f"{trust} sslproto tls1+")
        rc += elsewhere(other.port, trust)
        run = mailhaul(tmp_path, rc)
        assert (run.code, list(server.mailbox), list(other.mailbox)) == (0, [], [1])
    assert run.complaint.startswith("joe@else: ")
    assert '"sslproto tls1+" allows them for this account' in run.complaint


def test_a_server_without_starttls_is_used_only_by_the_account_that_says_so(tmp_path: Path) -> None:
    unknown = {"STARTTLS": b"BAD unknown command"}
    with (
        ScriptedImap(message(1), answers=unknown) as server,
        ScriptedImap(message(1), answers=unknown) as other,
    ):
        rc = account(server.port, 'sslmode "starttls=may"')
        rc += elsewhere(other.port, "")
        run = mailhaul(tmp_path, rc)
        assert (run.code, list(server.mailbox), list(other.mailbox)) == (0, [], [1])
        assert not any(SECRET in line for line in other.commands)
    assert run.complaint.startswith("joe@else: ")
    assert "STARTTLS" in run.complaint
    assert "sslproto ''" in run.complaint
