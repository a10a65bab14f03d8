"""Records can be hashed, copied, pickled and printed."""

from __future__ import annotations

import copy
import pickle

from mailhaul.protocols.imap.events import Exists, Fetched, Recent
from mailhaul.protocols.imap.values import Text
from mailhaul.protocols.machine import NEED_DATA


def test_equal_records_are_one_key_and_others_are_not() -> None:
    assert hash(Exists(3)) == hash(Exists(3))
    assert len({hash(Exists(count)) for count in range(50)}) > 1
    assert hash(Exists(3)) != hash(Recent(3))


def test_a_record_is_pickled_and_copied_with_all_its_fields() -> None:
    fetched = Fetched(7, 5, 3, (b"\\Seen",), b"date", 12, ((b"EMAILID", Text(b"m")),))
    assert pickle.loads(pickle.dumps(fetched)) == fetched
    assert copy.copy(fetched) == fetched


def test_a_record_shows_its_fields_in_order() -> None:
    assert repr(Fetched(7, 5)) == (
        "Fetched(number=7, uid=5, size=None, flags=None, internal_date=None, modseq=None)"
    )


def test_the_want_of_data_has_a_name() -> None:
    assert repr(NEED_DATA) == "NEED_DATA"
