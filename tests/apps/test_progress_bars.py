"""Progress of a single run on a terminal, as bars."""

from __future__ import annotations

import re
from collections.abc import Mapping
from io import StringIO
from typing import Any

import pytest

from mailhaul.apps.cli import once
from mailhaul.apps.cli.side_by_side import Outputs
from mailhaul.apps.polls.dots import CountingPacker
from mailhaul.apps.polls.lines import Lines
from mailhaul.apps.polls.poll import AccountLines
from mailhaul.flows.account import Account
from mailhaul.flows.outcome import Outcome, Verdict
from mailhaul.flows.parcel import DeliveryRules
from mailhaul.flows.report import Counted, Handled, Planned, Reading
from mailhaul.flows.source import Listed
from mailhaul.protocols.message.outgoing import HeaderRules

TAKEN = Outcome(Verdict.ACCEPTED)


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


class World:
    """A screen of 80 columns, with a clock that the test moves."""

    def __init__(self, *names: str, height: int = 24, environ: Mapping[str, str] = {}) -> None:
        rich = pytest.importorskip("rich.console")
        from mailhaul.apps.cli.progress import ProgressLines, Screen

        self.out = Terminal()
        self.now = 100.0
        console = rich.Console(
            file=self.out, width=80, height=height, force_terminal=True, _environ=environ
        )
        self.screen = Screen(console, names, lambda: self.now, moving=False)
        self.lines = ProgressLines(Lines(1, self.out, self.out), self.screen)

    def bars(self) -> list[str]:
        """Return the rows as they are shown now, without colours."""
        console = self.screen.console
        with console.capture() as capture:
            console.print(self.screen._progress.get_renderable())
        return [line.rstrip() for line in plain(capture.get()).splitlines() if line.strip()]

    def printed(self) -> str:
        return plain(self.out.getvalue())


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)


def planned(*sizes: int, later: int = 0) -> Planned:
    return Planned("INBOX", tuple(Listed(uid, size) for uid, size in enumerate(sizes)), later)


def test_an_account_has_a_row_from_the_start() -> None:
    world = World("joe@server")
    (row,) = world.bars()
    assert "joe@server" in row
    assert row.endswith("waiting for the server")
    assert len(row) <= 80


def test_a_row_shows_count_size_rate_and_time_left() -> None:
    world = World("joe@server")
    world.screen.note(Counted("INBOX", 3, 0), "joe@server")
    world.screen.note(planned(1_000_000, 2_000_000, 3_000_000), "joe@server")
    for _ in range(20):
        world.now += 0.1
        world.screen.received("joe@server", 100_000)
    world.screen.note(Handled(1, TAKEN, True, size=1_000_000), "joe@server")
    (row,) = world.bars()
    assert row.split()[-6:] == ["1/3", "2.0", "MB", "1.0", "MB/s", "0:04"]
    assert len(row) <= 80


def test_sizes_that_the_server_does_not_tell_are_estimated() -> None:
    world = World("joe@server")
    world.screen.note(planned(0, 0, 0, 0), "joe@server")
    row = world.screen._rows["joe@server"]
    assert row.total is None
    world.screen.received("joe@server", 500)
    world.screen.note(Handled(1, TAKEN, True), "joe@server")
    assert row.total == 2000


def test_what_another_session_fetches_is_not_counted_twice() -> None:
    world = World("joe@server")
    world.screen.note(planned(100, 100, later=2), "joe@server")
    row = world.screen._rows["joe@server"]
    assert row.messages == 4
    for _ in range(2):
        world.screen.received("joe@server", 100)
        world.screen.note(Handled(1, TAKEN, True, size=100), "joe@server")
    world.screen.note(planned(100, 100), "joe@server")
    assert (row.messages, row.done, row.total) == (4, 2, 400)


def test_several_accounts_have_a_sum_and_leave_when_they_are_over() -> None:
    world = World("joe@server", "ann@server", "eve@server")
    for name in ("joe@server", "ann@server"):
        world.screen.note(planned(1000), name)
    rows = world.bars()
    assert [row.split()[1] for row in rows] == ["joe@server", "ann@server", "eve@server", "all"]
    assert "0/2" in rows[-1]
    world.screen.ended("joe@server")
    assert "joe@server" not in "".join(world.bars())
    # What is over, or was never there, changes nothing.
    world.screen.received("joe@server", 5)
    world.screen.ended("joe@server")


def test_no_more_rows_than_the_terminal_has_and_others_take_their_places() -> None:
    names = [f"user{number}@server" for number in range(40)]
    world = World(*names, height=14)
    assert len(world.bars()) == 10
    world.screen.ended("user0@server")
    assert "user10@server" in "".join(world.bars())


def test_lines_are_printed_above_and_single_messages_are_not() -> None:
    world = World("joe@server", "ann@server")
    outputs = Outputs(world.lines, [False, False])
    polls = [outputs.of(0).of("joe@server"), outputs.of(1).of("ann@server")]
    account = Account("imap joe@server", "joe", "server", "server")
    report = AccountLines(polls[0], account, False, "SMTP")
    report(Counted("INBOX", 2, 0, 300))
    report(planned(100, 200))
    for number, verdict in ((1, Verdict.ACCEPTED), (2, Verdict.REFUSED)):
        report(Reading(number, 2, 10, 90))
        (counter := polls[0].counter("")) and counter(150)
        report(Handled(number, Outcome(verdict, "550 no"), False, size=150))
    # The other account is still under way.
    assert polls[0].closing(polls[0].counts) == (
        "joe@server: 1 of 2 messages delivered, 300 B in 0.0 s"
    )
    assert "joe@server" not in world.printed()
    outputs.ended(0)
    printed = world.printed()
    assert "2 messages for joe at server (300 octets)." in printed
    assert "SMTP error: 550 no; the message stays on the server" in printed
    assert "reading message" not in printed


def test_words_about_an_account_stay_in_order() -> None:
    world = World("joe@server", "ann@server")
    outputs = Outputs(world.lines, [False, False])
    poll = outputs.of(0).of("joe@server")
    poll.complain("login refused")
    poll.say("Query status=3 (AUTHFAIL)")
    outputs.ended(0)
    assert world.printed().splitlines() == [
        "mailhaul: login refused",
        "mailhaul: Query status=3 (AUTHFAIL)",
    ]


def test_no_color_is_respected() -> None:
    for environ, colours in (({"NO_COLOR": "1"}, False), ({"TERM": "xterm-256color"}, True)):
        world = World("joe@server", environ=environ)
        world.screen.note(planned(1000), "joe@server")
        world.screen.received("joe@server", 500)
        with world.screen.console.capture() as capture:
            world.screen.console.print(world.screen._progress.get_renderable())
        assert bool(re.search(r"\x1b\[[0-9;]*3[0-9]m", capture.get())) == colours


def test_the_counting_packer_counts_what_has_arrived() -> None:
    counted: list[int] = []
    packer = CountingPacker(
        DeliveryRules("joe", "here", HeaderRules("imap", "joe", None)), counted.append
    )
    text = b"Subject: x\r\n\r\none\r\n"
    packer.scan(text)
    packer.beginning()
    packer.convert(b"x" * 2500)
    assert sum(counted) == pytest.approx(len(text) + 2500, abs=2)


class Settings:
    def __init__(self, **others: Any) -> None:
        self.globals = self
        self.showdots, self.progress = False, True
        self.__dict__.update(others)


@pytest.mark.parametrize(
    ("wanted", "verbosity", "out", "term", "others"),
    [
        (True, 1, Terminal(), "xterm", {}),
        (False, 0, Terminal(), "xterm", {}),
        (False, 2, Terminal(), "xterm", {}),
        (False, 1, StringIO(), "xterm", {}),
        (False, 1, Terminal(), "dumb", {}),
        (False, 1, Terminal(), "", {}),
        (False, 1, Terminal(), "xterm", {"showdots": True}),
        (False, 1, Terminal(), "xterm", {"progress": False}),
    ],
)
def test_bars_are_for_a_plain_run_on_a_terminal(
    wanted: bool,
    verbosity: int,
    out: StringIO,
    term: str,
    others: dict[str, bool],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("rich")
    monkeypatch.setenv("TERM", term)
    settings: Any = Settings(**others)
    assert once.has_bars(settings, Lines(verbosity, out, out)) == wanted


def test_bars_are_gone_at_the_end_and_leave_room_for_what_is_typed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("rich")
    from mailhaul.apps.cli.progress import MARGIN, ConsoleWithMargin, progress

    for name, value in (("TERM", "xterm"), ("COLUMNS", "80"), ("LINES", "24")):
        monkeypatch.setenv(name, value)
    out = Terminal()
    assert ConsoleWithMargin(file=out).width == 80 - MARGIN
    with progress(Lines(1, out, out), ["joe@server"]) as above:
        above.say("a line")
    printed = out.getvalue()
    assert "mailhaul: a line\n" in plain(printed)
    # The cursor is shown again.
    assert printed.rindex("\x1b[?25h") > printed.rindex("\x1b[?25l")
