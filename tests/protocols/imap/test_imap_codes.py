"""Valid arguments of response codes are parsed, and invalid ones are ignored."""

from __future__ import annotations

import pytest

from mailhaul.protocols.imap.codes import AppendUid, CopyUid, append_uid, copy_uid, number_in
from mailhaul.protocols.imap.events import Code


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (Code(b"APPENDUID", b"38505 3955"), AppendUid(38505, 3955)),
        (Code(b"APPENDUID", b"38505 3955:3957"), None),
        (Code(b"APPENDUID", b"38505"), None),
        (Code(b"APPENDUID", b"1 2 3"), None),
        (Code(b"APPENDUID", b"-1 x"), None),
        (Code(b"COPYUID", b"1 2"), None),
        (None, None),
    ],
)
def test_appenduid_is_parsed(code: Code | None, expected: AppendUid | None) -> None:
    assert append_uid(code) == expected


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (
            Code(b"COPYUID", b"38505 304,319:320 3956:3958"),
            CopyUid(38505, b"304,319:320", b"3956:3958"),
        ),
        (Code(b"COPYUID", b"38505 304 3956:3958"), None),
        (Code(b"COPYUID", b"38505 x y"), None),
        (Code(b"COPYUID", b"x 1 1"), None),
        (Code(b"COPYUID", b"1 2"), None),
        (Code(b"ALERT", b"1 2 3"), None),
        (None, None),
    ],
)
def test_copyuid_is_parsed(code: Code | None, expected: CopyUid | None) -> None:
    assert copy_uid(code) == expected


def test_the_number_in_a_code() -> None:
    assert number_in(Code(b"UIDNEXT", b"7"), b"UIDNEXT") == 7
    assert number_in(Code(b"UIDNEXT", b"7"), b"UIDVALIDITY") is None
    assert number_in(Code(b"HIGHESTMODSEQ", b"9" * 19), b"HIGHESTMODSEQ") == 10**19 - 1
    assert number_in(Code(b"HIGHESTMODSEQ", b"9" * 20), b"HIGHESTMODSEQ") is None
    assert number_in(Code(b"UIDNEXT", b"x"), b"UIDNEXT") is None
    assert number_in(None, b"UIDNEXT") is None
