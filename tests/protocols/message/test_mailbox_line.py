"""The From_ line of an mbox file is distinguished from text that only begins like one."""

from __future__ import annotations

import pytest

from mailhaul.protocols.message.mailbox_line import is_mailbox_line


@pytest.mark.parametrize(
    "line",
    [
        b"From ann@example.net Mon Mar  2 10:00:00 2020\r\n",
        b"From ann Mon Mar 2 10:00:00 2020\n",
        b"From - Sun Nov 22 22:14:59 2026\r",
        b"From MAILER-DAEMON Fri Jul  8 12:08:34 2011",
        b"From ???@??? Sat Jan 03 01:05:34 1998\n",
        b'From "ann lee"@example.net Sat Jan  3 01:05:34 1996\n',
        b"From ann@example.net Sat Jan  3 01:05 EST 1996 remote from there\n",
        b"From ann@example.net  Sat Jan  3 01:05:34 1996 +0100\n",
        b"From ann@example.net Tue, 20 Jan 2004 10:00:00 +0100\n",
    ],
)
def test_a_line_with_an_address_and_a_date_is_recognized(line: bytes) -> None:
    assert is_mailbox_line(line)


@pytest.mark.parametrize(
    "line",
    [
        b"From \n",
        b"From ann\n",
        b"From the sea\n",
        b"From ann to bob Mon Mar  2 10:00:00 2020\n",
        b"From ann Mon, my holidays begin\n",
        b"From Mon Mar  2 10:00:00 2020\n",
        b"From: ann Mon Mar  2 10:00:00 2020\n",
        b">From ann Mon Mar  2 10:00:00 2020\n",
        b" From ann Mon Mar  2 10:00:00 2020\n",
        b"From ann Mon Mar  2 10:00:00 2020\rSubject: x\n",
        b"From " + b" " * 100_000 + b"x",
        b"From a" + b" " * 100_000 + b"Mon",
        b"From " + b"a" * 1000 + b" Mon Mar  2 10:00:00 2020\n",
    ],
)
def test_anything_else_is_text(line: bytes) -> None:
    assert not is_mailbox_line(line)
