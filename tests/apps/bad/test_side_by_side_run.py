"""One run over several accounts: side by side, in lines that belong together."""

from __future__ import annotations

from pathlib import Path

from .running import account, mailhaul
from .scripted_imap import ScriptedImap, message


def test_every_account_is_polled_and_its_lines_stand_together(tmp_path: Path) -> None:
    with ScriptedImap(message(1), message(2)) as first, ScriptedImap(message(1)) as second:
        rc = account(first.port, "maildir one") + account(second.port, "maildir two")
        run = mailhaul(tmp_path, rc)
    assert (run.code, run.err) == (0, "")
    assert len(list((tmp_path / "one" / "new").iterdir())) == 2
    assert len(list((tmp_path / "two" / "new").iterdir())) == 1
    counted = [place for place, line in enumerate(run.out.splitlines()) if " message" in line[:12]]
    assert len(counted) == 2


def test_lines_come_in_the_order_of_the_file_whoever_is_ready_first(tmp_path: Path) -> None:
    with ScriptedImap(*(message(n) for n in range(1, 60))) as first, ScriptedImap() as second:
        rc = account(first.port, "maildir one") + account(second.port, "maildir two")
        run = mailhaul(tmp_path, rc)
    lines = [line for line in run.out.splitlines() if "essage" in line or "No mail" in line]
    assert "59 messages" in lines[0]
    assert "No mail" in lines[-1]
