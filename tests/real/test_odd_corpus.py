"""The odd messages arrive by every way out with all their octets, but for what the page allows."""

from __future__ import annotations

from pathlib import Path

import pytest

from .corpus_run import WAYS, Corpus, read_corpus
from .odd_corpus import ODD
from .servers.certificates import Certificates
from .servers.dovecot import Dovecot

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def corpus(dovecot: Dovecot, certificates: Certificates) -> Corpus:
    return Corpus(ODD.items(), dovecot, certificates.good, 120.0)


@pytest.mark.parametrize("way", WAYS)
def test_every_octet_arrives(corpus: Corpus, way: str, tmp_path: Path) -> None:
    hauled = corpus.haul(way, tmp_path)
    if hauled.differences:
        pytest.fail("\n".join(hauled.differences)[:10_000])
    assert hauled.arrived + hauled.kept == len(ODD)


def test_there_are_some_hundreds_of_them_in_every_kind_of_line_end() -> None:
    assert len(ODD) > 300
    assert len(set(ODD.values())) > 290
    assert any(b"\r" in text and b"\n" not in text for text in ODD.values())


def test_a_corpus_is_read_from_files_a_maildir_and_a_mailbox_file(tmp_path: Path) -> None:
    texts = [b"Subject: 1\n\ntext\n", b"Subject: 2\r\rtext\n"]
    for folder in ("files/deep", "Mail/cur", "Mail/new", "Mail/tmp"):
        (tmp_path / folder).mkdir(parents=True)
    for number, text in enumerate(texts):
        (tmp_path / "files" / "deep" / str(number)).write_bytes(text)
        (tmp_path / "Mail" / ("cur", "new")[number] / "x").write_bytes(text)
    (tmp_path / "Mail" / "tmp" / "y").write_bytes(b"half")
    (tmp_path / "box").write_bytes(b"".join(b"From a  x\n" + text + b"\n" for text in texts))
    for name in ("files", "Mail", "box"):
        assert [text for _, text in read_corpus(tmp_path / name)] == texts
