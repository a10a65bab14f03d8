"""The file of known results is read, and each mistake in it has a place."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailhaul.conformance.expectations import (
    Expectation,
    is_better,
    is_expected,
    read_expectations,
)
from mailhaul.conformance.faults import WrongUse
from mailhaul.conformance.verdicts import Result, Verdict

KNOWN = {"pop3/dele/1", "pop3/dele/2", "pop3/stat/1"}


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "known.txt"
    path.write_text(
        "# known at this server\n\n"
        "pop3/dele/1  fail   DELE twice gives +OK, https://bugs.example.org/17\n"
        "  pop3/stat/1\twarn\tcounts deleted messages # too  \n"
    )
    found = read_expectations(str(path), KNOWN)
    assert found == {
        "pop3/dele/1": Expectation(
            "pop3/dele/1",
            Verdict.FAIL,
            "DELE twice gives +OK, https://bugs.example.org/17",
            f"{path}:3",
        ),
        "pop3/stat/1": Expectation(
            "pop3/stat/1", Verdict.WARN, "counts deleted messages # too", f"{path}:4"
        ),
    }


MISTAKES = {
    "pop3/dele/9 fail x": "there is no case pop3/dele/9",
    "pop3/dele/1": "one of fail, warn, error",
    "pop3/dele/1 broken x": "one of fail, warn, error",
    "pop3/dele/1 pass x": "one of fail, warn, error",
    "pop3/dele/1 fail": "add the reason",
    "pop3/dele/2 fail again": "is in",
}


@pytest.mark.parametrize("line", MISTAKES)
def test_a_mistake_has_its_place(line: str, tmp_path: Path) -> None:
    path = tmp_path / "known.txt"
    path.write_text(f"pop3/dele/2 fail x\n{line}\n")
    with pytest.raises(WrongUse) as refusal:
        read_expectations(str(path), KNOWN)
    assert str(refusal.value).startswith(f"{path}:2: ")
    assert MISTAKES[line] in str(refusal.value)


def test_a_file_that_cannot_be_read_is_reported(tmp_path: Path) -> None:
    with pytest.raises(WrongUse, match="No such file"):
        read_expectations(str(tmp_path / "nothing"), KNOWN)
    (tmp_path / "octets").write_bytes(b"\xff\xfe")
    with pytest.raises(WrongUse, match="UTF-8"):
        read_expectations(str(tmp_path / "octets"), KNOWN)


@pytest.mark.parametrize(
    ("verdict", "expected", "better"),
    [
        (Verdict.FAIL, True, False),
        (Verdict.WARN, False, False),
        (Verdict.ERROR, False, False),
        (Verdict.SKIP, False, False),
        (Verdict.PASS, False, True),
        (Verdict.INFO, False, True),
    ],
)
def test_only_the_same_verdict_is_expected(verdict: Verdict, expected: bool, better: bool) -> None:
    known = {"a/b/1": Expectation("a/b/1", Verdict.FAIL, "known", "f:1")}
    result = Result("a/b/1", verdict)
    assert (is_expected(result, known), is_better(result, known)) == (expected, better)
    assert not is_expected(Result("a/b/2", Verdict.FAIL), known)
