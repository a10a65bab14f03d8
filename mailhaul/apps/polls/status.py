"""The state of each entry of the rc file: how its polls ended, what waits, what a daemon does.

``mailhaul status`` makes this from the ledger; a daemon adds what it does right now.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ... import __version__
from ...adapters.config.settings import AccountSettings
from ...adapters.ledger.names import mailbox_name
from ...adapters.ledger.results import EntryResult, Waiting
from ...adapters.ledger.store import Rest
from ...adapters.sources.imap import is_pattern
from ...flows.outcome import GOOD, NEUTRAL, ExitCode
from ...protocols.record import Record
from .accounts import name_of
from .times import iso

OK, FAILING, UNKNOWN = "ok", "failing", "unknown"
HEALTH = (OK, FAILING, UNKNOWN)
"""What the last poll says: it succeeded, it failed, or there was none."""
STATES = ("waiting", "polling", "watching", "paused", "parked", "consent needed", "over")
"""What a daemon does with an entry. It is parked if its login was refused too often."""
FLEET_STATES = ("waiting", "polling", "watching", "paused", "failing", "parked")
"""What several machines do with an account of their store."""
NOTHING = Waiting("", "")


class Live(Record):
    """What a daemon does with an entry. ``next_poll`` is Unix time, None if it is not known.

    ``polls`` are those of this process. ``token`` says why there is no token. ``consent`` is true
    if the user has to sign in.
    """

    state: str
    polls: int = 0
    next_poll: float | None = None
    token: str = ""
    consent: bool = False


class EntryStatus(Record):
    """All that is known of an entry. ``live`` is None without a daemon.

    ``token_expires`` is Unix time: 0 for no token, None for an account without tokens. ``rest`` is
    that of its account, None if it may be polled.
    """

    name: str
    result: EntryResult
    waiting: Waiting = NOTHING
    settings: AccountSettings | None = None
    live: Live | None = None
    token_expires: float | None = None
    rest: Rest | None = None

    @property
    def health(self) -> str:
        """One of ``HEALTH``."""
        code = self.result.code
        if self.result.failures or (self.live and self.live.state in {"parked", "consent needed"}):
            return FAILING
        if code in GOOD or code in NEUTRAL or self.result.success:
            return OK
        return UNKNOWN


class DaemonFacts(Record):
    """The daemon that runs. ``since`` is Unix time, ``interval`` is in seconds."""

    pid: int
    since: float
    interval: int
    connections: int = 0


def known_entries(
    accounts: Sequence[AccountSettings],
    names: Sequence[str],
    results: Mapping[str, EntryResult],
    waits: Sequence[Waiting],
    rests: Mapping[str, Rest],
) -> Iterator[EntryStatus]:
    """Yield the state of these entries, in their order."""
    for name, settings in zip(names, accounts, strict=True):
        result = results.get(name) or EntryResult(name)
        rest = rest_for(settings, rests)
        yield EntryStatus(name, result, waiting_for(settings, waits), settings, rest=rest)
        # A daemon that watches folders over connections of their own has a result for each.
        for folder in settings.folders if settings.idle and len(settings.folders) > 1 else ():
            if part := results.get(f"{name} ({folder})"):
                own = settings.with_folders((folder,))
                yield EntryStatus(part.entry, part, NOTHING, own, rest=rest)


def all_entries(
    results: Mapping[str, EntryResult], waits: Sequence[Waiting], rests: Mapping[str, Rest]
) -> Iterator[EntryStatus]:
    """Yield the state of all entries in the ledger, without an rc file.

    What waits and what rests is that of all accounts with the same user and server.
    """
    for name, result in results.items():
        # An entry is USER@SERVER, and an account PROTOCOL USER@SERVER, with more after it.
        user = name.partition(" ")[0]
        found = [one for one in waits if one.account.split(" ")[1:2] == [user]]
        resting = [rest for account, rest in rests.items() if account.split(" ")[1:2] == [user]]
        yield EntryStatus(name, result, together(found), rest=longest(resting))


def waiting_for(settings: AccountSettings, waits: Sequence[Waiting]) -> Waiting:
    """Return what waits in the mailboxes of an entry."""
    if not waits:
        return NOTHING
    accounts = accounts_of(settings)
    folders = settings.folders or ("INBOX",)
    every = any(map(is_pattern, folders))
    found = [
        one
        for one in waits
        if one.account in accounts
        and (every or one.mailbox in {mailbox_name(one.account, folder) for folder in folders})
    ]
    return together(found)


def accounts_of(settings: AccountSettings) -> set[str]:
    """Return the names in the ledger that the account of an entry may have."""
    is_auto = settings.protocol == "auto"
    either = [settings.with_protocol(kind) for kind in ("imap", "pop3")] if is_auto else [settings]
    return set(map(name_of, either))


def rest_for(settings: AccountSettings, rests: Mapping[str, Rest]) -> Rest | None:
    """Return the rest that an entry has now. A limit that was changed since ends its rest."""
    if not rests:
        return None
    found = [rest for name in accounts_of(settings) if (rest := rests.get(name))]
    return longest([one for one in found if one.daylimit in {0, settings.daylimit}])


def longest(rests: Sequence[Rest]) -> Rest | None:
    """Return the rest that ends last, None if there is none."""
    return max(rests, key=lambda rest: rest.until, default=None)


def together(found: Sequence[Waiting]) -> Waiting:
    """Return the sum of what waits in several mailboxes."""
    return Waiting(
        "",
        "",
        sum(one.queued for one in found),
        sum(one.refused for one in found),
        sum(one.quarantined for one in found),
        min((one.oldest for one in found), default=0),
    )


def exit_code(entries: Sequence[EntryStatus]) -> ExitCode:
    """Return the exit code for scripts.

    SUCCESS if all polls that were made are well, ERROR if an entry fails, NOMAIL if none was ever
    polled.
    """
    healths = {entry.health for entry in entries}
    if FAILING in healths:
        return ExitCode.ERROR
    return ExitCode.SUCCESS if OK in healths else ExitCode.NOMAIL


# Documents for programs


def as_text(document: Mapping[str, Any]) -> str:
    """Return a document as text that people can read, too."""
    return json.dumps(document, indent=2) + "\n"


def document(
    entries: Iterable[EntryStatus],
    daemon: DaemonFacts | None,
    now: float,
    fleet: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return what ``mailhaul status --json`` prints; see ``SCHEMA``.

    ``fleet`` is what ``fleet_status.described_fleet`` returns, if several machines share a store.
    """
    facts = daemon and {
        "pid": daemon.pid,
        "since": iso(daemon.since),
        "interval": daemon.interval,
        "connections": daemon.connections,
    }
    return {
        "version": __version__,
        "time": iso(now),
        "daemon": facts,
        "fleet": fleet,
        "accounts": [described(entry) for entry in entries],
    }


def described(entry: EntryStatus) -> dict[str, Any]:
    """Return what is known of one entry, for JSON."""
    settings, result, waits, live = entry.settings, entry.result, entry.waiting, entry.live
    return {
        "account": shown(entry.name),
        "protocol": settings and settings.protocol,
        "server": settings and shown(settings.host),
        "user": settings and shown(settings.remote_user),
        "folders": list(map(shown, settings.folders)) if settings else [],
        "health": entry.health,
        "state": live and str(live.state),
        "polls": live.polls if live else result.polls,
        "last_poll": iso(result.time),
        "code": name_of_code(result.code),
        "last_success": iso(result.success),
        "failures": result.failures,
        "failing_since": iso(result.since),
        "last_error": last_error(result),
        "next_poll": iso(live.next_poll) if live else None,
        "rest": resting(entry.rest),
        "token": (shown(live.token) or None) if live else None,
        "token_expires": iso(entry.token_expires),
        "waiting": {
            "queued": waits.queued,
            "refused": waits.refused,
            "quarantined": waits.quarantined,
            "oldest": iso(waits.oldest),
        },
        "totals": {
            "polls": result.polls,
            "seconds": round(result.seconds, 3),
            "fetched": result.fetched,
            "delivered": result.delivered,
            "octets": result.octets,
            "refused": result.refused,
            "postponed": result.postponed,
            "spam": result.spam,
        },
    }


def resting(rest: Rest | None) -> dict[str, Any] | None:
    """Return until when an account is not polled, and why."""
    if rest is None:
        return None
    reason = shown(rest.reason)
    return {"until": iso(rest.until), "reason": reason, "daylimit": rest.daylimit or None}


def last_error(result: EntryResult) -> dict[str, Any] | None:
    """Return the failure that was last, however long ago."""
    if not result.error_time:
        return None
    return {
        "time": iso(result.error_time),
        "code": name_of_code(result.error_code),
        "text": shown(result.error_words),
    }


def name_of_code(code: ExitCode | None) -> str | None:
    """Return the name of a code, if it is known."""
    return None if code is None else code.name


def shown(name: str) -> str:
    """Return a name in which octets that are not UTF-8 are escaped: JSON cannot hold them."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def own_facts(since: float, interval: int, connections: int) -> DaemonFacts:
    """Return the facts about this process."""
    return DaemonFacts(os.getpid(), since, interval, connections)


TIME = {"type": "string", "format": "date-time"}
TIME_OR_NULL = {"type": ["string", "null"], "format": "date-time"}
TEXT_OR_NULL = {"type": ["string", "null"]}
COUNT = {"type": "integer", "minimum": 0}
CODE_OR_NULL = {"enum": [*(code.name for code in ExitCode), None]}


def closed(properties: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """Return the schema of an object that always has exactly these fields."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
        **more,
    }


FLEET: dict[str, Any] = closed(
    {
        "workers": {
            "type": "array",
            "items": closed(
                {
                    "worker": {"type": "string", "description": "Host and process."},
                    "alive": {"type": "boolean", "description": "Whether its lease is valid."},
                    "since": TIME,
                    "seen_until": {**TIME, "description": "When its lease ends or has ended."},
                    "polling": {**COUNT, "description": "Accounts that it polls."},
                    "watching": {**COUNT, "description": "Accounts that it watches."},
                }
            ),
        },
        "accounts": {**COUNT, "description": "All accounts; of many, not all are listed."},
        "late": {**COUNT, "description": "Accounts that were due more than a minute ago."},
        "states": closed(dict.fromkeys(FLEET_STATES, COUNT)),
    },
    description="The machines that share a store.",
)
"""The schema of a fleet."""

SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "urn:mailhaul:schema:status",
    "title": "mailhaul status --json",
    "description": "How the polls of each entry of the rc file ended, and what waits.",
    **closed(
        {
            "version": {"type": "string", "description": "The version of mailhaul."},
            "time": {**TIME, "description": "When this was found out."},
            "daemon": {
                "description": "The daemon that runs, or null.",
                "anyOf": [
                    {"type": "null"},
                    closed(
                        {
                            "pid": COUNT,
                            "since": TIME,
                            "interval": {**COUNT, "description": "Seconds between two polls."},
                            "connections": {**COUNT, "description": "Connections to servers."},
                        }
                    ),
                ],
            },
            "fleet": {
                "description": "The machines that share a store, or null.",
                "anyOf": [{"type": "null"}, FLEET],
            },
            "accounts": {"type": "array", "items": {"$ref": "#/$defs/account"}},
        }
    ),
    "$defs": {
        "account": closed(
            {
                "account": {"type": "string", "description": "The name of the entry; unique."},
                "protocol": {**TEXT_OR_NULL, "description": "null if the rc file is not read."},
                "server": TEXT_OR_NULL,
                "user": TEXT_OR_NULL,
                "folders": {"type": "array", "items": {"type": "string"}},
                "health": {"enum": [*HEALTH], "description": "What the last poll says."},
                "state": {
                    "enum": [*STATES, None],
                    "description": "What the daemon does; null without a daemon.",
                },
                "polls": {
                    **COUNT,
                    "description": "Polls of this daemon; without one, all that are known.",
                },
                "last_poll": TIME_OR_NULL,
                "code": {**CODE_OR_NULL, "description": "How the last poll ended."},
                "last_success": TIME_OR_NULL,
                "failures": {**COUNT, "description": "Failed polls since the last success."},
                "failing_since": TIME_OR_NULL,
                "last_error": {
                    "description": "The poll that failed last, however long ago, or null.",
                    "anyOf": [
                        {"type": "null"},
                        closed({"time": TIME, "code": CODE_OR_NULL, "text": {"type": "string"}}),
                    ],
                },
                "next_poll": {**TIME_OR_NULL, "description": "When the daemon polls next."},
                "rest": {
                    "description": "Until when the account is not polled, and why, or null.",
                    "anyOf": [
                        {"type": "null"},
                        closed(
                            {
                                "until": TIME,
                                "reason": {"type": "string"},
                                "daylimit": {
                                    **COUNT,
                                    "type": ["integer", "null"],
                                    "description": "Octets; null if the server wants the rest.",
                                },
                            }
                        ),
                    ],
                },
                "token": {**TEXT_OR_NULL, "description": "Why there is no OAuth token."},
                "token_expires": TIME_OR_NULL,
                "waiting": closed(
                    {
                        "queued": {**COUNT, "description": "Messages that are tried again."},
                        "refused": {**COUNT, "description": "Messages that the sink refused."},
                        "quarantined": {**COUNT, "description": "Messages that wait for you."},
                        "oldest": TIME_OR_NULL,
                    },
                    description="Messages on the server that are not delivered.",
                ),
                "totals": closed(
                    {
                        "polls": COUNT,
                        "seconds": {"type": "number", "minimum": 0},
                        "fetched": COUNT,
                        "delivered": COUNT,
                        "octets": COUNT,
                        "refused": COUNT,
                        "postponed": COUNT,
                        "spam": COUNT,
                    },
                    description="Sums over all polls that the ledger knows.",
                ),
            }
        )
    },
}
