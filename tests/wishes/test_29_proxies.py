"""Wish 29: each account has its own proxy, or its own source address.

getmail#6 (of wor), imapsync#330, imapclient#134.
"""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from mailhaul.flows.outcome import ExitCode
from tests.apps.bad.running import SECRET, mailhaul
from tests.apps.bad.scripted_imap import ScriptedImap, message
from tests.proxies import FakeProxy, running

BEHIND = "imap.internal.example"
"""A name that only the proxy can look up."""


class Server(ScriptedImap):
    """Notes where its clients come from."""

    def __init__(self) -> None:
        super().__init__(message(1))
        self.clients: list[str] = []

    def serve(self, connection: socket.socket) -> None:
        self.clients.append(connection.getpeername()[0])
        super().serve(connection)


def entry(host: str, port: int, home: Path, way: str = "", user: str = "joe") -> str:
    sink = f"maildir {home}/Mail"
    return (
        f"poll {host} port {port} protocol imap no dns timeout 9 {way}\n"
        f"  user {user} password {SECRET} sslproto '' {sink}\n"
    )


@pytest.mark.parametrize("kind", ["socks5", "http"])
def test_one_account_goes_through_its_proxy_and_the_other_directly(
    tmp_path: Path, kind: str
) -> None:
    proxy = FakeProxy(user=b"joe", password=b"sesame-of-proxy")
    (tmp_path / "secret").write_text("sesame-of-proxy\n")
    (tmp_path / "secret").chmod(0o600)
    with Server() as far, Server() as near, running(kind, proxy) as url:
        way = f'proxy "{url.replace("//", "//joe@")}" proxypasswordfile {tmp_path}/secret'
        rc = entry(BEHIND, far.port, tmp_path, way)
        rc += entry("localhost", near.port, tmp_path, user="ann")
        run = mailhaul(tmp_path, rc, "-v", "-v")
        assert (run.code, run.err) == (0, "")
    # The name was looked up by the proxy.
    assert proxy.targets == [(BEHIND, far.port)]
    assert (list(far.mailbox), list(near.mailbox)) == ([], [])
    assert "sesame-of-proxy" not in run.out


def test_an_account_has_its_own_source_address(tmp_path: Path) -> None:
    with Server() as server, Server() as other:
        rc = entry("localhost", server.port, tmp_path, "bindaddress 127.0.0.7")
        rc += entry("localhost", other.port, tmp_path, user="ann")
        assert mailhaul(tmp_path, rc).code == 0
    assert (server.clients, other.clients) == (["127.0.0.7"], ["127.0.0.1"])


def test_a_proxy_that_refuses_is_named_and_is_never_gone_around(tmp_path: Path) -> None:
    proxy = FakeProxy(refusal=2)
    with Server() as server, running("socks5", proxy) as url:
        run = mailhaul(tmp_path, entry("localhost", server.port, tmp_path, f'proxy "{url}"'))
        assert server.visits == 0
    assert run.code == ExitCode.SOCKET
    assert f"proxy 127.0.0.1:{proxy.port}" in run.complaint
