"""Merge defaults, entry and command line into the settings of each account.

A value that the entry does not choose is taken from ``defaults``; a value from the command line
replaces both. A list of ``defaults`` is used only if the entry has none; a list on the command line
is added to that of the file.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping
from typing import cast

from ..ledger.names import is_loopback
from ..sinks.kinds import DIRECT_SINKS
from .caller import Caller
from .command_line import CommandLine
from .options import OWN_PATHS
from .secret_table import SECRETS
from .settings import AccountSettings, GlobalSettings
from .statements import Choices, Entry, RcFile
from .values import at_home

ROUTE_OPTIONS = ("protocol", "service", "plugin", "proxy", "preconnect", "remote_user")
"""Options that determine, together with the host, which mailboxes an entry leads to."""
Route = tuple[object, ...]


def global_settings(rc: RcFile, command_line: CommandLine, caller: Caller) -> GlobalSettings:
    """Merge the ``set`` lines with the command line."""
    chosen = command_line.globals
    values: dict[str, object] = {
        # Root's own mailbox is usually not read.
        "postmaster": "postmaster" if caller.uid == 0 else caller.user,
        "idfile": caller.idfile,
        **rc.globals.values,
        **chosen,
        "_source": rc.source,
        "_layer": {name: at for name, at in rc.globals.places.items() if name not in chosen},
    }
    if command_line.run.check or command_line.run.dry_run:
        values["daemon"] = 0
    if (path := values.get("storekeyfile")) is not None:
        values["storekeyfile"] = at_home(cast(str, path), caller.home)
    return GlobalSettings(values)


def account_settings(
    rc: RcFile, entries: Iterable[Entry], command_line: CommandLine, caller: Caller
) -> Iterator[AccountSettings]:
    """Yield the settings of every user of these entries, in their order."""
    default_values = _default_values(rc, caller)
    default_places: dict[str, int] = {}
    if rc.defaults:
        default_places |= rc.defaults.server.places
        for user in rc.defaults.users[:1]:
            default_places |= user.places
    names = _first_names(rc, default_values)
    chosen: dict[tuple[str, ...], tuple[str, ...]] = {}
    appended = command_line.appended
    overridden = frozenset({*command_line.options, *appended})
    for entry in entries:
        for user in entry.users:
            # Entries that choose the same options share their names.
            offsets = {**default_places, **entry.server.places, **user.places}
            values = {
                **_without_replaced_secrets(default_values, entry.server, user),
                **entry.server.values,
                **user.values,
                **command_line.options,
                "pollname": entry.pollname,
                "known_as": names.get(_route(entry, user, default_values), entry.pollname),
                "skip": entry.skip,
                "_source": rc.source,
                "_entry": entry.offset,
                "_chosen": chosen.setdefault(tuple(offsets), tuple(offsets)),
                "_offsets": array("I", offsets.values()),
                "_overridden": overridden,
            }
            for name, more in appended.items():
                values[name] = (*cast("tuple[object, ...]", values.get(name, ())), *more)
            # Local delivery is without carriage returns, unless the user wants them.
            local = any(values.get(one.option) is not None for one in DIRECT_SINKS if one.strips_cr)
            if "stripcr" not in values and local:
                values["stripcr"] = True
            for name in OWN_PATHS:
                if (path := values.get(name)) is not None:
                    values[name] = at_home(cast(str, path), caller.home)
            folders = cast("tuple[str, ...]", values.get("folders", ()))
            if len(folders) > 1 or any(name[:1] == "\\" or {*"*%"} & {*name} for name in folders):
                values["several"] = True
            yield AccountSettings(values)


def _without_replaced_secrets(
    default_values: Mapping[str, object], *chosen: Choices
) -> Mapping[str, object]:
    """Return the defaults without those for a secret that an entry keeps in another place."""
    replaced = {
        name
        for kind in SECRETS.values()
        if not default_values.keys().isdisjoint(kind.options)
        and any(not one.values.keys().isdisjoint(kind.options) for one in chosen)
        for name in kind.options
    }
    if not replaced:
        return default_values
    return {name: value for name, value in default_values.items() if name not in replaced}


def _first_names(rc: RcFile, default_values: Mapping[str, object]) -> Mapping[Route, str]:
    """Return the poll name of the first entry for each route."""
    names: dict[Route, str] = {}
    for entry in rc.entries:
        for user in entry.users:
            names.setdefault(_route(entry, user, default_values), entry.pollname)
    return names


def _route(entry: Entry, user: Choices, default_values: Mapping[str, object]) -> Route:
    """Return the values that determine which mailboxes an entry leads to, except its poll name."""
    values = {**default_values, **entry.server.values, **user.values}
    # %h of a plugin is the name as written in the file.
    host = cast(str, values.get("via") or entry.pollname)
    name = "localhost" if is_loopback(host) else host
    return (name, *(values.get(option) for option in ROUTE_OPTIONS))


def _default_values(rc: RcFile, caller: Caller) -> dict[str, object]:
    """Return the values of the options that an entry does not choose."""
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
    # The protocol is inherited, but not the way in which SDPS (Demon) names recipients.
    if values.get("protocol") == "sdps":
        values["protocol"] = "pop3"
    return values
