"""What is asked for, and what a certificate is compared with, is the name by IDNA 2008."""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress
from typing import Any

import pytest
import trustme

from mailhaul.flows.requests import NameNotFound, TlsFailed, Trust
from mailhaul.runtimes import dialling
from mailhaul.runtimes.tls import TlsLayer, client_layer, make_context

STRASSE = "stra\xdfe.invalid"


def finished(steps: Any) -> Any:
    """Return what a generator returns that never has to wait."""
    try:
        next(steps)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it waits")


def test_the_name_service_is_asked_for_the_owners_name(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def getaddrinfo(host: object, *_: object, **__: object) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 1))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    finished(dialling.resolve(STRASSE, 1, 10.0, lambda: 0.0))
    assert asked == [b"xn--strae-oqa.invalid"]


def test_a_name_that_idna_refuses_is_no_host_name() -> None:
    with pytest.raises(NameNotFound, match="no host name: IDNA 2008 does not allow it"):
        finished(dialling.resolve("\u2603.invalid", 1, 10.0, lambda: 0.0))


def shake_hands(client: TlsLayer, server: ssl.SSLObject, pipes: tuple[Any, Any]) -> None:
    to_server, to_client = pipes
    for _ in range(10):
        done = client.handshake()
        to_server.write(client.to_send())
        with suppress(ssl.SSLWantReadError):
            server.do_handshake()
        if data := to_client.read():
            client.receive(data)
        elif done:
            return


@pytest.mark.parametrize(
    ("named", "fits"), [("xn--strae-oqa.invalid", True), ("strasse.invalid", False)]
)
def test_the_certificate_of_another_owner_does_not_pass(
    tmp_path: Any, named: str, fits: bool
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(named).configure_cert(context)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = context.wrap_bio(to_server, to_client, server_side=True)
    client = client_layer(Trust(STRASSE, ca_file=str(tmp_path / "ca.pem")))
    if fits:
        shake_hands(client, server, (to_server, to_client))
    else:
        with pytest.raises(TlsFailed, match="sslcommonname"):
            shake_hands(client, server, (to_server, to_client))


def test_a_context_needs_no_host_name() -> None:
    assert make_context(Trust(STRASSE, verify=False)).check_hostname is False
