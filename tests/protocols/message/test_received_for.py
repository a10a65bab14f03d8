"""The receiving host and the recipient in a Received field, and text that only looks like them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhaul.protocols.message.received import received_for

from .counted import Counted


@pytest.mark.parametrize(
    "body",
    [
        b" from h (h.example [192.0.2.1])\r\n\tby mail.example (Postfix) with ESMTPS id 4AB\r\n"
        b"\tfor <ann@mail.example>; Mon, 23 Nov 2026 05:17:06 +0000 (UTC)\r\n",
        b" from h ([192.0.2.1]:25 helo=h)\r\n\tby mail.example with esmtps (Exim 4.96)\r\n"
        b"\t(envelope-from <bob@other.example>)\r\n\tid 1tA-0-x\r\n\tfor ann@mail.example;\r\n D\n",
        b" from h by mail.example (8.17/8.17) with ESMTP id x\r\n\tfor <ann@mail.example>; D",
        b" from h BY mail.example FOR <ann@mail.example> ; D",
        b" by mail.example with HTTP for ann@mail.example",
        b" from by by mail.example for <ann@mail.example>; D",
        b" from h by mail.example for ann@mail.example id 17; D",
        b" from h by mail.example for <@x.example:ann@mail.example>; D",
        b" from h by mail.example for <ann@mail.example>, <bob@mail.example>; D",
        b' from h by mail.example for "Ann" <ann@mail.example> (x); D',
        b" from h (by evil.example for <eve@evil.example>) by mail.example for ann@mail.example; D",
        b' from "a b" by mail.example for ann@mail.example; D',
        b" from [192.0.2.1] by mail.example, for <ann@mail.example>",
        b"by mail.example for<ann@mail.example>; D",
    ],
)
def test_the_host_and_the_recipient_are_found(body: bytes) -> None:
    host, address = received_for(body)
    assert host == b"mail.example"
    assert address is not None
    assert address.spec == b"ann@mail.example"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" from h by mail.example with ESMTP id x; D",
        b" from h by mail.example; D for <ann@mail.example>",
        b" from h by mail.example (for <ann@mail.example>); D",
        b" from h for <ann@mail.example>; D",
        b" from h (by mail.example) for <ann@mail.example>; D",
        b" for <ann@mail.example> by mail.example; D",
        b" from for by",
        b" by",
        b" by mail.example for",
        b" by mail.example for <>; D",
        b" by mail.example for ann; D",
        b" by mail.example for host!ann; D",
        b' by mail.example "open for <ann@mail.example>',
        b" by mail.example (open for <ann@mail.example>",
        b" (qmail 17 invoked from network); D",
    ],
)
def test_a_field_without_both_clauses_gives_no_recipient(body: bytes) -> None:
    assert received_for(body)[1] is None


@given(
    st.lists(
        st.sampled_from([b"by ", b"for ", b"from ", b"a@b", b"(", b")", b'"', b"\\", b";", b"<"])
        | st.sampled_from([b">", b",", b":", b" ", b"\r\n\t", b"\0", b"\xff", b"[", b"]", b"h"]),
        max_size=25,
    ).map(b"".join)
)
def test_any_garbage_is_accepted(body: bytes) -> None:
    host, address = received_for(body)
    assert host in body
    assert address is None or (host and b"@" in address.spec)


@pytest.mark.parametrize(
    "body",
    [
        b"(" * 100_000,
        b"by " * 50_000,
        b"from by " * 20_000,
        b"by h for " + b"<" * 100_000,
        b'by "' * 50_000,
        b"by h for " + b"a " * 50_000,
        b":" * 100_000,
        b"(a)a" * 50_000,
    ],
    ids=range(8),
)
def test_each_byte_of_a_field_is_read_only_a_few_times(body: bytes) -> None:
    counted = Counted(body)
    received_for(counted)
    assert counted.looked_at <= 4 * len(body)
