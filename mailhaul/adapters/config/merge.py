"""From defaults, entry and command line to the settings of each account.

A value that the entry does not choose is filled in from ``defaults``, one that the command
line chooses replaces both. Lists of ``defaults`` count only if the entry has none; lists on
the command line are added to what the file says.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import cast

from ..ledger.names import is_loopback
from ..sinks.kinds import INSTEAD
from .caller import Caller
from .command_line import CommandLine
from .options import OWN_PATHS
from .settings import AccountSettings, GlobalSettings
from .statements import Choices, Entry, RcFile
from .values import at_home

WAY = ("protocol", "service", "plugin", "preconnect", "remote_user")
"""Options that decide, with the host, which mailboxes an entry leads to."""
Way = tuple[object, ...]


def global_settings(rc: RcFile, command_line: CommandLine, caller: Caller) -> GlobalSettings:
    """Merge the ``set`` lines with the command line."""
    chosen = command_line.globals
    values: dict[str, object] = {
        # Root's own mailbox is read by nobody.
        "postmaster": "postmaster" if caller.uid == 0 else caller.user,
        "idfile": caller.idfile,
        **rc.globals.values,
        **chosen,
        "_source": rc.source,
        "_layer": {name: at for name, at in rc.globals.places.items() if name not in chosen},
    }
    if command_line.run.check:
        values["daemon"] = 0
    return GlobalSettings(values)


def account_settings(
    rc: RcFile, entries: Iterable[Entry], command_line: CommandLine, caller: Caller
) -> Iterator[AccountSettings]:
    """Yield the settings of every user of these entries, in their order."""
    filling = _filling(rc, caller)
    places = (
        [*(user.places for user in rc.defaults.users[:1]), rc.defaults.server.places]
        if (rc.defaults)
        else []
    )
    names = _first_names(rc, filling)
    appended = command_line.appended
    overridden = frozenset({*command_line.options, *appended})
    for entry in entries:
        for user in entry.users:
            values = {
                **filling,
                **entry.server.values,
                **user.values,
                **command_line.options,
                "pollname": entry.pollname,
                "known_as": names.get(_way(entry, user, filling), entry.pollname),
                "skip": entry.skip,
                "_source": rc.source,
                "_entry": entry.offset,
                "_layers": (user.places, entry.server.places, *places),
                "_overridden": overridden,
            }
            for name, more in appended.items():
                values[name] = (*cast("tuple[object, ...]", values.get(name, ())), *more)
            # What an MDA reads has no carriage returns, unless the user wants them.
            local = any(values.get(one.option) is not None for one in INSTEAD if one.strips_cr)
            if "stripcr" not in values and local:
                values["stripcr"] = True
            for name in OWN_PATHS:
                if (path := values.get(name)) is not None:
                    values[name] = at_home(cast(str, path), caller.home)
            yield AccountSettings(values)


def _first_names(rc: RcFile, filling: Mapping[str, object]) -> Mapping[Way, str]:
    """Return how the rc file calls what its entries lead to: the first name counts."""
    names: dict[Way, str] = {}
    for entry in rc.entries:
        for user in entry.users:
            names.setdefault(_way(entry, user, filling), entry.pollname)
    return names


def _way(entry: Entry, user: Choices, filling: Mapping[str, object]) -> Way:
    """Return all that decides which mailboxes an entry leads to, its name apart."""
    values = {**filling, **entry.server.values, **user.values}
    # %h of a plugin is the name as it is written.
    host = cast(str, values.get("via") or entry.pollname)
    name = "localhost" if is_loopback(host) else host
    return (name, *(values.get(option) for option in WAY))


def _filling(rc: RcFile, caller: Caller) -> dict[str, object]:
    """Return the values for whatever an entry does not choose."""
    values: dict[str, object] = {
        "remote_user": caller.user,
        "local_names": ((caller.user, caller.user),),
        "esmtpname": caller.user,
    }
    if rc.defaults is not None:
        values.update(rc.defaults.server.values)
        for user in rc.defaults.users[:1]:
            values.update(user.values)
    values.pop("aka", None)
    # The protocol is inherited, Demon's way of naming recipients is not.
    if values.get("protocol") == "sdps":
        values["protocol"] = "pop3"
    return values
