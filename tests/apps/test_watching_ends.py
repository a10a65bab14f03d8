"""When the program ends, a watch does not wait for more mail."""

from __future__ import annotations

from typing import Any

import pytest

from mailhaul.adapters.config.caller import Caller
from mailhaul.adapters.config.load import load
from mailhaul.apps.polls import watching
from mailhaul.apps.polls.lines import Lines
from mailhaul.flows.outcome import ExitCode


class NewsWithoutEnd:
    """A source that always reports new mail."""

    pushes_news = True
    left = False

    def __init__(self, *_: Any, **__: Any) -> None:
        self.asked = 0

    async def news(self) -> bool:
        self.asked += 1
        assert self.asked < 100
        return True

    async def leave(self) -> None:
        NewsWithoutEnd.left = True


class Ending:
    """The context of a program that was asked to stop."""

    check = False
    rest = None

    def stopping(self) -> bool:
        return True

    def tap_for(self, protocol: str) -> None:
        return None

    @property
    def resting(self) -> None:
        return None

    @property
    def ledger(self) -> None:
        return None


def test_mail_that_arrives_at_the_end_is_left_for_the_next_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def poll(*_: Any) -> ExitCode:
        return ExitCode.NOMAIL

    for name in ("account_of", "account_lines", "access_of"):
        monkeypatch.setattr(watching, name, lambda *_: None)

    async def no_rest(*_: object) -> None:
        """The context has no ledger."""

    monkeypatch.setattr(watching, "at_rest", no_rest)
    monkeypatch.setattr(watching, "poll_account", poll)
    monkeypatch.setattr(watching, "WatchedSource", NewsWithoutEnd)
    told: list[ExitCode] = []
    text = b"poll h protocol imap user joe password p"
    caller = Caller("joe", 1000, "/home/joe", None, "/home/joe")
    [settings] = load(["-f", "-"], caller, lambda: text).accounts
    context: Any = Ending()
    flow = watching.watch(
        settings, context, Lines(0).of("joe@h"), lambda code, news: told.append(code)
    )
    with pytest.raises(StopIteration) as end:
        flow.send(None)
    assert (end.value.value, told, NewsWithoutEnd.left) == (
        ExitCode.NOMAIL,
        [ExitCode.NOMAIL],
        True,
    )
