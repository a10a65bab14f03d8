"""Fixtures: private real servers for the whole run, with a clean mailbox for each test."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .daemon import Daemon
from .servers.aiosmtp import AioSmtp
from .servers.certificates import Certificates
from .servers.dovecot import Dovecot
from .servers.dovecot_oauth import DovecotOAuth
from .servers.exim import Exim
from .servers.issuer import Issuer
from .servers.opensmtpd import OpenSmtpd
from .servers.postfix import Postfix
from .servers.process import ServerFailed
from .servers.sshd import Sshd

SSH_MAILBOX = "joeuser"
"""The user whose mailbox ``mykey`` opens."""


@pytest.fixture(scope="session")
def scratch() -> Iterator[Path]:
    """A folder with a short name (a UNIX socket's path has 107 bytes) that all may enter."""
    if os.geteuid() != 0:
        raise ServerFailed("the real servers change user and need root: use a container")
    folder = Path(tempfile.mkdtemp(prefix="mh-", dir="/tmp"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def certificates(scratch: Path) -> Certificates:
    """The run's certificate authority and what it issued."""
    return Certificates(scratch / "tls")


@pytest.fixture(scope="session")
def dovecot(scratch: Path, certificates: Certificates) -> Iterator[Dovecot]:
    """A running Dovecot with a good certificate."""
    server = Dovecot(scratch / "dovecot", certificates.good)
    with server.running():
        yield server


@pytest.fixture(scope="session")
def dovecot_wrong_name(scratch: Path, certificates: Certificates) -> Iterator[Dovecot]:
    """A running Dovecot whose certificate is for another host."""
    server = Dovecot(scratch / "wrong", certificates.wrong_name)
    with server.running():
        yield server


@pytest.fixture(scope="session")
def dovecot_expired(scratch: Path, certificates: Certificates) -> Iterator[Dovecot]:
    """A running Dovecot whose certificate has expired."""
    server = Dovecot(scratch / "expired", certificates.expired)
    with server.running():
        yield server


@pytest.fixture
def user(dovecot: Dovecot) -> str:
    """A user of ``dovecot`` with an untouched mailbox."""
    return dovecot.new_user()


@pytest.fixture(scope="session")
def exim_server(scratch: Path) -> Iterator[Exim]:
    """The run's Exim; tests take ``exim``."""
    server = Exim(scratch / "exim")
    with server.running():
        yield server


@pytest.fixture
def exim(exim_server: Exim) -> Exim:
    """A running Exim that has delivered nothing yet."""
    exim_server.clear()
    return exim_server


@pytest.fixture(scope="session")
def postfix_server(scratch: Path) -> Iterator[Postfix]:
    """The run's Postfix; who uses it clears it first."""
    server = Postfix(scratch / "postfix")
    with server.running():
        yield server


@pytest.fixture(scope="session")
def opensmtpd_server(scratch: Path) -> Iterator[OpenSmtpd]:
    """The run's OpenSMTPD; who uses it clears it first."""
    server = OpenSmtpd(scratch / "opensmtpd")
    with server.running():
        yield server


@pytest.fixture(scope="session")
def sshd_server(scratch: Path, dovecot: Dovecot, exim_server: Exim) -> Iterator[Sshd]:
    """The run's sshd; tests take ``sshd``."""
    server = Sshd(
        scratch / "ssh",
        mykey=dovecot.preauth_argv(SSH_MAILBOX),
        myotherkey=exim_server.bs_argv,
    )
    with server.running():
        yield server


@pytest.fixture
def ssh_user(dovecot: Dovecot) -> str:
    """The user behind ``mykey``, with an empty mailbox."""
    dovecot.clear(SSH_MAILBOX)
    return SSH_MAILBOX


@pytest.fixture
def sshd(sshd_server: Sshd, exim: Exim, ssh_user: str) -> Sshd:
    """A running sshd that nobody has asked for anything; what is behind its keys is empty."""
    sshd_server.clear()
    return sshd_server


@pytest.fixture(scope="session")
def relay() -> Iterator[AioSmtp]:
    """Takes what is submitted."""
    server = AioSmtp()
    with server.running():
        yield server


@pytest.fixture(scope="session")
def running_issuer(scratch: Path, certificates: Certificates) -> Iterator[Issuer]:
    """The run's issuer; tests take ``issuer``."""
    server = Issuer(scratch / "issuer", certificates.good)
    with server.running():
        yield server
    assert server.log() == ""


@pytest.fixture
def issuer(running_issuer: Issuer) -> Issuer:
    """A running issuer without faults."""
    running_issuer.clear()
    return running_issuer


@pytest.fixture(scope="session")
def dovecot_oauth(
    scratch: Path, certificates: Certificates, running_issuer: Issuer, relay: AioSmtp
) -> Iterator[DovecotOAuth]:
    """A running Dovecot that takes the tokens of ``issuer``."""
    server = DovecotOAuth(scratch / "oauth", certificates, running_issuer, relay.port)
    with server.running():
        yield server


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """A daemon that is ended with the test, and must not have met anything unforeseen."""
    daemon = Daemon(tmp_path)
    yield daemon
    daemon.stop()
    assert "Traceback" not in daemon.log.read_text()
    assert "internal error" not in daemon.log.read_text()
