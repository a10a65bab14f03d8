"""The commands that users hook in: their environment, their end, and what they never get."""

from __future__ import annotations

import os
import select
import time
from contextlib import suppress
from pathlib import Path

import pytest

from mailhaul.adapters.hooks import MAX_VALUE, run_hook
from mailhaul.runtimes import blocking


def run(line: str, facts: dict[str, str], seconds: float = 10.0) -> str:
    how: str = blocking.run(run_hook(line, facts, seconds))
    return how


def test_the_facts_are_in_the_environment(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert (
        run(f'env | grep ^MAILHAUL_ | sort > "{out}"', {"CODE": "SOCKET", "ACCOUNT": "j@x"}) == ""
    )
    assert out.read_text() == "MAILHAUL_ACCOUNT=j@x\nMAILHAUL_CODE=SOCKET\n"


def test_words_of_strangers_are_never_part_of_a_command(tmp_path: Path) -> None:
    evil = f'$(touch {tmp_path}/evil) `touch {tmp_path}/evil`; touch "{tmp_path}/evil" \' \0 \n x'
    out = tmp_path / "out"
    assert run(f'printf %s "$MAILHAUL_ERROR" > "{out}"', {"ERROR": evil + "y" * 5000}) == ""
    assert not (tmp_path / "evil").exists()
    said = out.read_text()
    assert said.startswith("$(touch ")
    assert "\n" not in said
    assert len(said) == MAX_VALUE


@pytest.mark.parametrize(
    ("line", "how"),
    [
        ("exit 3", "failed with status 3"),
        ("kill -9 $$", "died of signal 9"),
        ("/nowhere/at/all", "failed with status 127"),
    ],
)
def test_a_failure_is_told(line: str, how: str) -> None:
    assert run(line, {}) == how


def test_a_hook_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    began = time.monotonic()
    # The child ignores the first signal; its parent waits for it.
    line = f'(trap "" TERM; exec sleep 60) & echo $! > "{pid}"; wait'
    assert "was ended" in run(line, {}, 0.2)
    assert time.monotonic() - began < 10
    with suppress(ProcessLookupError):
        child = os.pidfd_open(int(pid.read_text()))
        ended, _, _ = select.select([child], [], [], 10)
        os.close(child)
        assert ended


def test_its_input_is_empty_and_its_output_goes_nowhere(capfd: pytest.CaptureFixture[str]) -> None:
    assert run("cat; echo loud; echo louder >&2", {}) == ""
    assert capfd.readouterr() == ("", "")
