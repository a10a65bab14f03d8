"""Fixtures that load the text of an rc file."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mailhaul.adapters.config.caller import Caller
from mailhaul.adapters.config.command_line import parse_command_line
from mailhaul.adapters.config.grammar import parse
from mailhaul.adapters.config.merge import account_settings
from mailhaul.adapters.config.selection import select
from mailhaul.adapters.config.settings import AccountSettings

Accounts = Callable[..., list[AccountSettings]]


@pytest.fixture
def caller() -> Caller:
    return Caller("me", 1000, "/home/me", None, "/cwd")


@pytest.fixture
def accounts(caller: Caller) -> Accounts:
    """Returns the accounts of an rc file with some arguments."""

    def read(text: str, *arguments: str) -> list[AccountSettings]:
        rc = parse(text.encode("utf-8", "surrogateescape"), "rc", "/rc/folder")
        line = parse_command_line(arguments, caller.folder)
        return list(account_settings(rc, select(rc, line.servers), line, caller))

    return read
