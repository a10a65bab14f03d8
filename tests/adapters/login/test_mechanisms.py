"""Which login methods are tried, and in which order."""

from __future__ import annotations

import pytest

from mailhaul.adapters.login.access import COMMAND
from mailhaul.adapters.login.mechanisms import allowed_methods, mechanism_for
from mailhaul.protocols.sasl.credentials import Credentials
from mailhaul.protocols.secret import Secret

HELD = Credentials(b"joe", Secret(b"sesame"))
WITH_CERTIFICATE = Credentials(b"joe", Secret(b"sesame"), certificate=True)
ALL = [b"PLAIN", b"LOGIN", b"CRAM-MD5", b"SCRAM-SHA-1", b"SCRAM-SHA-256", b"EXTERNAL"]


@pytest.mark.parametrize(
    ("wish", "announced", "protected", "in_clear", "command", "expected"),
    [
        # Inside TLS the password is shown at once: one turn, and one failure in the server's log.
        ("any", ALL, True, False, True, [COMMAND]),
        ("any", ALL, True, False, False, [b"PLAIN"]),
        ("any", [b"LOGIN", b"CRAM-MD5"], True, False, False, [b"LOGIN"]),
        ("any", [b"CRAM-MD5"], True, False, False, [b"CRAM-MD5"]),
        # Where others read along, what shows no password comes first.
        ("any", ALL, False, True, True, [b"SCRAM-SHA-256", b"SCRAM-SHA-1", b"CRAM-MD5", COMMAND]),
        ("any", ALL, False, False, True, [b"SCRAM-SHA-256", b"SCRAM-SHA-1", b"CRAM-MD5"]),
        ("any", [b"PLAIN"], False, False, True, []),
        ("any", [], False, True, True, [COMMAND]),
        ("password", ALL, True, False, True, [COMMAND]),
        ("password", ALL, False, False, True, []),
        ("password", ALL, True, False, False, [b"PLAIN"]),
        # A named mechanism is tried though it is not announced, and nothing else.
        ("cram-md5", [], False, False, True, [b"CRAM-MD5"]),
        ("cram-md5", ALL, True, False, True, [b"CRAM-MD5"]),
    ],
)
def test_the_login_methods_and_their_order(
    wish: str,
    announced: list[bytes],
    protected: bool,
    in_clear: bool,
    command: bool,
    expected: list[bytes],
) -> None:
    found = allowed_methods(
        announced, HELD, wish, protected=protected, in_clear=in_clear, command=command
    )
    assert found == expected


def test_a_certificate_is_tried_before_the_password() -> None:
    for wish, expected in (("any", [b"EXTERNAL", COMMAND]), ("external", [b"EXTERNAL"])):
        assert (
            allowed_methods(
                ALL, WITH_CERTIFICATE, wish, protected=True, in_clear=False, command=True
            )
            == expected
        )


def test_without_a_password_only_the_certificate_is_left() -> None:
    held = Credentials(b"joe", certificate=True)
    found = allowed_methods(ALL, held, "any", protected=True, in_clear=True, command=True)
    assert found == [b"EXTERNAL"]


@pytest.mark.parametrize(("announced", "expected"), [(ALL, [b"EXTERNAL"]), ([b"PLAIN"], [])])
def test_external_needs_no_certificate_of_ours_if_the_server_offers_it(
    announced: list[bytes], expected: list[bytes]
) -> None:
    found = allowed_methods(
        announced, HELD, "external", protected=False, in_clear=True, command=True
    )
    assert found == expected


def test_each_exchange_has_a_new_nonce() -> None:
    starts = {
        response.reveal()
        for _ in range(2)
        if (response := mechanism_for(b"SCRAM-SHA-256", HELD, ALL, "host").initial_response())
    }
    assert len(starts) == 2
