"""Host names are valid in headers and addresses."""

from __future__ import annotations

import pytest

from mailhaul.protocols.message.hosts import domain_part, host_bytes, strict_domain_part


@pytest.mark.parametrize(
    ("host", "plain", "domain", "strict"),
    [
        ("mail.example.org", b"mail.example.org", b"mail.example.org", b"mail.example.org"),
        ("mail.example.org.", b"mail.example.org", b"mail.example.org", b"mail.example.org"),
        ("192.0.2.1", b"192.0.2.1", b"192.0.2.1", b"[192.0.2.1]"),
        ("2001:db8::1", b"2001:db8::1", b"[IPv6:2001:db8::1]", b"[IPv6:2001:db8::1]"),
        ("a b\r\nX: y(<>)", b"a-b--X:-y----", None, None),
        ("höst", b"h-st", b"h-st", b"h-st"),
        ("", b"localhost", b"localhost", b"localhost"),
    ],
)
def test_the_three_forms_of_a_host(
    host: str, plain: bytes, domain: bytes | None, strict: bytes | None
) -> None:
    assert host_bytes(host) == plain
    if domain is not None:
        assert (domain_part(host), strict_domain_part(host)) == (domain, strict)
