"""Whatever is in a file of another program: a translation that our parser reads, or an error."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhaul.adapters.migration import fdm, getmail, mbsync, mpop, offlineimap
from mailhaul.adapters.migration.fetched import cached_uids, oldmail, uidls
from mailhaul.adapters.migration.new_rcfile import Translation, Untranslatable
from tests.adapters.migration import (
    test_fdm,
    test_getmail,
    test_mbsync,
    test_mpop,
    test_offlineimap,
)
from tests.adapters.migration.translated import parsed

Translate = Callable[[bytes, str, str], Translation]
USUAL: list[tuple[Translate, str]] = [
    (fdm.translate, test_fdm.USUAL),
    (getmail.translate, test_getmail.USUAL),
    (mpop.translate, test_mpop.USUAL),
    (mbsync.translate, test_mbsync.USUAL),
    (offlineimap.translate, test_offlineimap.USUAL),
]
ODD = st.sampled_from(["\0", "\n", '"', "'", "\\", "{", "}", "$", "%", "${", "=", "9" * 30, "\x80"])


@pytest.mark.parametrize(
    ("translate", "usual"), USUAL, ids=["fdm", "getmail", "mpop", "mbsync", "offlineimap"]
)
@given(data=st.data())
def test_a_damaged_file_is_translated_or_refused(
    translate: Translate, usual: str, data: st.DataObject
) -> None:
    text = usual
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.integers(0, 30)))
        text = text[:start] + data.draw(ODD | st.just("")) + text[end:]
    try:
        made = translate(text.encode("latin-1"), "file", "/home/joe")
    except Untranslatable:
        return
    assert len(parsed(made).entries) == len(made.entries)


@given(st.binary(max_size=200))
def test_any_list_is_read_or_refused(data: bytes) -> None:
    for read in (uidls, oldmail, cached_uids):
        try:
            list(read(data, "oldmail-x-1-y"))
        except Untranslatable:
            continue
