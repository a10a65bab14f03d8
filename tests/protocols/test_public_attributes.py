"""What a caller can set on a machine is a setting; all else can only be read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from mailhaul import imap, pop3, smtp

SETTINGS: dict[Any, set[str]] = {
    imap.Client: {"tap"},
    pop3.Client: {"tap"},
    smtp.Client: {"tap"},
    imap.Server: {"tap"},
    pop3.Server: {"tap"},
    smtp.Server: {"tap", "extensions"},
}
INTRODUCTIONS: list[tuple[Any, list[Any], bytes]] = [
    (
        imap.Client,
        [],
        b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN IDLE auth=scram-sha-1 AUTH=PLAIN X=] ready\r\n",
    ),
    (
        pop3.Client,
        [b"+OK ready\r\n", pop3.Capa()],
        b"+OK\r\nsasl PLAIN  scram-sha-1\r\nIDLE\r\nIMAP4REV1\r\nX \r\n.\r\n",
    ),
    (
        smtp.Client,
        [b"220 ready\r\n", smtp.Ehlo(b"me")],
        b"250-ready\r\n250-Auth PLAIN scram-sha-1\r\n250-IDLE\r\n250-IMAP4REV1\r\n250 X\r\n",
    ),
]


@pytest.mark.parametrize("kind", SETTINGS)
def test_only_settings_can_be_set(kind: Any) -> None:
    machine = kind()
    properties = [name for name in dir(kind) if isinstance(getattr(kind, name), property)]
    with_setter = {name for name in dir(kind) if getattr(getattr(kind, name), "fset", None)}
    attributes = {name for name in {*dir(machine)} - {*dir(kind)} if not name.startswith("_")}
    assert attributes | with_setter == SETTINGS[kind]
    assert {"state", "outstanding", "unsent"} <= {*properties}
    for name in {*properties} - with_setter:
        with pytest.raises(AttributeError):
            setattr(machine, name, None)


def introduced(kind: Any, before: list[Any], announcement: bytes) -> Any:
    client = kind()
    for step in before:
        if isinstance(step, bytes):
            client.receive_data(step)
            client.next_event()
        else:
            client.send(step)
    client.receive_data(announcement)
    while not isinstance(client.next_event(), imap.NeedData):
        pass
    return client


@pytest.mark.parametrize(("kind", "before", "announcement"), INTRODUCTIONS)
def test_capabilities_are_one_mapping_on_all_clients(
    kind: Any, before: list[Any], announcement: bytes
) -> None:
    client = introduced(kind, before, announcement)
    capabilities: Mapping[bytes, tuple[bytes, ...]] = client.capabilities
    mechanisms = capabilities.get(b"AUTH") or capabilities[b"SASL"]
    assert mechanisms == (b"PLAIN", b"scram-sha-1")
    assert b"PLAIN" in mechanisms
    assert capabilities[b"IDLE"] == capabilities[b"IMAP4REV1"] == capabilities[b"X"] == ()
    assert len(capabilities) == 4
    with pytest.raises(TypeError):
        capabilities[b"IDLE"] = ()  # type: ignore[index]


@pytest.mark.parametrize("kind", [imap.Client, pop3.Client, smtp.Client])
def test_capabilities_are_empty_before_they_are_announced(kind: Any) -> None:
    assert kind().capabilities == {}
