"""The mailhaul command through real proxies: OpenSSH's SOCKS5, and an HTTP proxy with a login.

Source and target are a real Dovecot, over TLS, by a name that only the proxy looks up.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.proxies import FakeProxy, running

from .corpus import simple
from .mailhaul import mailhaul
from .servers.certificates import Certificates
from .servers.dovecot import Dovecot
from .servers.sshd import Sshd

pytestmark = pytest.mark.real


def test_mail_goes_through_the_socks5_proxy_of_openssh(
    dovecot: Dovecot, sshd: Sshd, user: str, certificates: Certificates, tmp_path: Path
) -> None:
    other = dovecot.new_user()
    with sshd.socks5() as port:
        way = f'"socks5://127.0.0.1:{port}"'
        rc = (
            f"poll localhost no dns protocol IMAP port {dovecot.imaps_port} proxy {way}"
            f" proxyout {way} user {user} password {dovecot.password} ssl"
            f' sslcertfile "{certificates.authority}"'
            f' append "imaps://{other}@localhost:{dovecot.imaps_port}/"'
            f" appendpassword {dovecot.password}\n"
        )
        dovecot.deliver(user, simple())
        run = mailhaul(rc, tmp_path)
        assert (run.code, run.err) == (0, "")
        assert (len(dovecot.messages(user)), len(dovecot.messages(other))) == (0, 1)
        # The error is the proxy's: nothing listens at that port.
        nobody = rc.replace(f"port {dovecot.imaps_port} proxy", "port 1 proxy")
        run = mailhaul(nobody, tmp_path)
        assert run.code == 2
        assert f"localhost: proxy 127.0.0.1:{port}: " in run.err


def test_an_http_proxy_gets_its_password_from_a_file(
    dovecot: Dovecot, user: str, tmp_path: Path
) -> None:
    proxy = FakeProxy(user=b"joe", password=b"sesame-of-proxy")
    secret = tmp_path / "secret"
    secret.write_text("sesame-of-proxy\n")
    secret.chmod(0o600)
    with running("http", proxy) as url:
        rc = (
            f"poll mail.invalid no dns protocol IMAP port {dovecot.imap_port}"
            f' proxy "{url.replace("//", "//joe@")}" proxypasswordfile "{secret}"'
            f" user {user} password {dovecot.password} sslproto ''"
            f' maildir "{tmp_path}/Mail"\n'
        )
        dovecot.deliver(user, simple())
        run = mailhaul(rc, tmp_path, "-v", "-v")
    assert run.code == 0
    assert proxy.targets == [("mail.invalid", dovecot.imap_port)]
    assert len(list((tmp_path / "Mail" / "new").iterdir())) == 1
    assert "sesame-of-proxy" not in run.out + run.err
    assert "am9lOnNlc2FtZS" not in run.out + run.err
