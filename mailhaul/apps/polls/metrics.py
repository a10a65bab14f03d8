"""Metrics of all entries, for Prometheus: OpenMetrics text, or its older form for files.

Each family has a series for each entry from the start, with 0 where nothing has happened. The
counters are sums over all polls in the ledger, so a restart does not reset them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from ... import __version__
from ...flows.outcome import ExitCode
from ...protocols.record import Record
from .status import FLEET_STATES, DaemonFacts, EntryStatus, shown

if TYPE_CHECKING:
    from .fleet_status import FleetStatus

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PLAIN = "text/plain; version=0.0.4; charset=utf-8"

Sample = tuple[str, Mapping[str, str], float]
"""The suffix of the name, the labels beside ``account``, and the value."""


class Family(Record):
    """One family of metrics of the entries."""

    name: str
    kind: str
    help: str
    samples: Callable[[EntryStatus], Iterable[Sample]]
    unit: str = ""


class Facts(Record):
    """What is known beside the entries; ``daemon`` is None without one.

    ``fleet`` is None unless several machines share the ledger.
    """

    daemon: DaemonFacts | None = None
    ledger_octets: int = 0
    fleet: FleetStatus | None = None


def one(
    value: Callable[[EntryStatus], float | None], suffix: str = ""
) -> Callable[[EntryStatus], Iterator[Sample]]:
    """Return a function that makes the only sample of an entry; None where it does not apply."""

    def samples(entry: EntryStatus) -> Iterator[Sample]:
        found = value(entry)
        if found is not None:
            yield suffix, {}, found

    return samples


def polls(entry: EntryStatus) -> Iterator[Sample]:
    """Yield how many polls ended with each code."""
    for code in ExitCode:
        yield "_total", {"code": code.name}, entry.result.codes.get(code.name, 0)


def durations(entry: EntryStatus) -> Iterator[Sample]:
    """Yield the number of polls, and the seconds that they took."""
    yield "_count", {}, entry.result.polls
    yield "_sum", {}, round(entry.result.seconds, 3)


def refusals(entry: EntryStatus) -> Iterator[Sample]:
    """Yield how many messages were not accepted, by reason."""
    result = entry.result
    for reason, count in (
        ("permanent", result.refused),
        ("temporary", result.postponed),
        ("spam", result.spam),
    ):
        yield "_total", {"reason": reason}, count


def waits(entry: EntryStatus) -> Iterator[Sample]:
    """Yield how many messages wait, by what they wait for."""
    waiting = entry.waiting
    for state, count in (
        ("queued", waiting.queued),
        ("refused", waiting.refused),
        ("quarantined", waiting.quarantined),
    ):
        yield "", {"state": state}, count


FAMILIES: Sequence[Family] = (
    Family("polls", "counter", "Polls that have ended, by result code.", polls),
    Family(
        "poll_duration_seconds", "summary", "How long polls took.", durations, unit="seconds"
    ),
    Family(
        "messages_fetched", "counter", "Messages read from the server.",
        one(lambda entry: entry.result.fetched, "_total"),
    ),
    Family(
        "messages_delivered", "counter", "Messages that the sink accepted.",
        one(lambda entry: entry.result.delivered, "_total"),
    ),
    Family(
        "messages_refused", "counter", "Messages that the sink did not accept, by reason.",
        refusals,
    ),
    Family(
        "fetched_bytes", "counter", "Size of the messages read from the server.",
        one(lambda entry: entry.result.octets, "_total"), unit="bytes",
    ),
    Family(
        "last_poll_timestamp_seconds", "gauge", "When the last poll ended; 0 for never.",
        one(lambda entry: entry.result.time), unit="seconds",
    ),
    Family(
        "last_success_timestamp_seconds", "gauge", "When the last good poll ended; 0 for never.",
        one(lambda entry: entry.result.success), unit="seconds",
    ),
    Family(
        "consecutive_failures", "gauge", "Failed polls since the last good one.",
        one(lambda entry: entry.result.failures),
    ),
    Family(
        "messages_waiting", "gauge", "Messages that are tried and not delivered, by state.", waits
    ),
    Family(
        "oldest_waiting_timestamp_seconds", "gauge",
        "When the oldest of these messages was tried first; 0 for none.",
        one(lambda entry: entry.waiting.oldest), unit="seconds",
    ),
    Family(
        "consent_needed", "gauge", "Whether the user has to sign in (mailhaul login).",
        one(lambda entry: float(bool(entry.live and entry.live.consent))),
    ),
    Family(
        "token_expiry_timestamp_seconds", "gauge",
        "When the access token expires, of accounts with OAuth; 0 for no token.",
        one(lambda entry: entry.token_expires), unit="seconds",
    ),
    Family(
        "paused", "gauge", "Whether the daemon does not poll the entry (mailhaul pause).",
        one(lambda entry: float(bool(entry.live and entry.live.state == "paused"))),
    ),
)  # fmt: skip


def render(entries: Sequence[EntryStatus], facts: Facts, *, openmetrics: bool = True) -> str:
    """Return the text: https://prometheus.io/docs/specs/om/open_metrics_spec/

    The older form is what node_exporter reads from files, and what scrapers get that do not ask for
    the newer one.
    """
    lines: list[str] = []
    for family in FAMILIES:
        lines += head(family.name, family.kind, family.help, family.unit, openmetrics=openmetrics)
        for entry in entries:
            account = {"account": shown(entry.name)}
            lines += [
                line(f"{family.name}{suffix}", {**account, **labels}, value)
                for suffix, labels, value in family.samples(entry)
            ]
    lines += about_process(facts, openmetrics=openmetrics)
    return "\n".join([*lines, "# EOF", ""]) if openmetrics else "\n".join([*lines, ""])


def about_process(facts: Facts, *, openmetrics: bool) -> Iterator[str]:
    """Yield the lines that are not about an entry."""
    python = ".".join(map(str, sys.version_info[:3]))
    version = {"version": __version__, "python": python}
    yield from head("build", "info", "The versions that run.", "", openmetrics=openmetrics)
    yield line("build_info", version, 1)
    daemon = facts.daemon
    for name, help, value, unit in (
        ("daemon_up", "Whether a daemon runs.", int(daemon is not None), ""),
        (
            "daemon_start_timestamp_seconds", "When the daemon started; 0 without one.",
            daemon.since if daemon else 0, "seconds",
        ),
        (
            "connections_open", "Connections of the daemon to mail servers.",
            daemon.connections if daemon else 0, "",
        ),
        ("ledger_size_bytes", "Size of the ledger on disk.", facts.ledger_octets, "bytes"),
    ):  # fmt: skip
        yield from head(name, "gauge", help, unit, openmetrics=openmetrics)
        yield line(name, {}, value)
    if facts.fleet is not None:
        yield from about_fleet(facts.fleet, openmetrics=openmetrics)


def about_fleet(fleet: FleetStatus, *, openmetrics: bool) -> Iterator[str]:
    """Yield the lines about the machines that share a store, and all accounts together."""
    families: Sequence[tuple[str, str, Sequence[tuple[Mapping[str, str], float]]]] = (
        (
            "fleet_accounts", "Accounts of the store, by what is done with them.",
            [({"state": state}, fleet.counts.get(state, 0)) for state in FLEET_STATES],
        ),
        ("fleet_accounts_late", "Accounts due more than a minute ago.", [({}, fleet.late)]),
        (
            "fleet_workers", "Machines that share the store, and those that died in the last day.",
            [
                ({"state": "alive"}, sum(one.alive for one in fleet.workers)),
                ({"state": "dead"}, sum(not one.alive for one in fleet.workers)),
            ],
        ),
        (
            "fleet_worker_accounts", "Accounts that a machine polls or watches.",
            [
                ({"worker": shown(one.name), "state": state}, count)
                for one in fleet.workers if one.alive
                for state, count in (("polling", one.polling), ("watching", one.watching))
            ],
        ),
    )  # fmt: skip
    for name, help, samples in families:
        yield from head(name, "gauge", help, "", openmetrics=openmetrics)
        for labels, value in samples:
            yield line(name, labels, value)


def head(name: str, kind: str, help: str, unit: str, *, openmetrics: bool) -> list[str]:
    """Return the lines before the samples of a family."""
    if not openmetrics:
        # The older form names a family as its samples, and has no kind for information.
        name = {"counter": f"{name}_total", "info": f"{name}_info"}.get(kind, name)
        kind = "gauge" if kind == "info" else kind
        return [f"# HELP mailhaul_{name} {help}", f"# TYPE mailhaul_{name} {kind}"]
    lines = [f"# TYPE mailhaul_{name} {kind}", f"# HELP mailhaul_{name} {help}"]
    return [*lines, f"# UNIT mailhaul_{name} {unit}"] if unit else lines


def line(name: str, labels: Mapping[str, str], value: float) -> str:
    """Return one sample."""
    inside = ",".join(f'{label}="{escaped(text)}"' for label, text in labels.items())
    shown_labels = f"{{{inside}}}" if inside else ""
    # Whole seconds and counts are easier to read without an exponent.
    number = str(int(value)) if value == int(value) else repr(float(value))
    return f"mailhaul_{name}{shown_labels} {number}"


def escaped(text: str) -> str:
    """Return a value of a label, with what cannot be in its quotes escaped."""
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
