"""The metrics: names, labels and values, as strict parsers read them."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from mailhaul import __version__
from mailhaul.adapters.ledger.results import EntryResult, Waiting
from mailhaul.apps.polls.metrics import FAMILIES, Facts, render
from mailhaul.apps.polls.status import DaemonFacts, EntryStatus, Live
from mailhaul.flows.outcome import ExitCode

HARD = 'j\udcf6"e\\\n@h (A, B)'
ENTRIES = [
    EntryStatus(
        HARD,
        EntryResult(
            HARD,
            *(200, ExitCode.SOCKET, "no", 2, 150, 100, 200, ExitCode.SOCKET, "no"),
            *(7, {"NOMAIL": 4, "SOCKET": 3}, 1.25, 10, 6, 4096, 1, 2, 1),
        ),
        Waiting("", "", 3, 1, 2, 50),
        live=Live("paused", consent=True),
        token_expires=999.0,
    ),
    EntryStatus("new@h", EntryResult("new@h")),
]
FACTS = Facts(DaemonFacts(1, 2.5, 300, 4), 8192)


def samples(families: Any) -> dict[tuple[str, ...], float]:
    """Return all samples, by name and values of labels; each must be there once."""
    found = [
        ((sample.name, *sample.labels.values()), sample.value)
        for family in families
        for sample in family.samples
    ]
    doubled = [key for key, times in Counter(key for key, _ in found).items() if times > 1]
    assert not doubled
    return dict(found)


def test_the_strict_parser_of_openmetrics_reads_them() -> None:
    parser = pytest.importorskip("prometheus_client.openmetrics.parser")
    families = list(parser.text_string_to_metric_families(render(ENTRIES, FACTS)))
    assert len(families) >= 12
    assert all(one.name.startswith("mailhaul_") and one.documentation for one in families)
    found = samples(families)
    name = 'j\\xf6"e\\\n@h (A, B)'
    for what, value in {
        ("polls_total", "NOMAIL"): 4,
        ("polls_total", "SOCKET"): 3,
        ("polls_total", "DNS"): 0,
        ("poll_duration_seconds_count",): 7,
        ("poll_duration_seconds_sum",): 1.25,
        ("messages_fetched_total",): 10,
        ("messages_delivered_total",): 6,
        ("messages_refused_total", "permanent"): 1,
        ("messages_refused_total", "temporary"): 2,
        ("messages_refused_total", "spam"): 1,
        ("fetched_bytes_total",): 4096,
        ("last_poll_timestamp_seconds",): 200,
        ("last_success_timestamp_seconds",): 100,
        ("consecutive_failures",): 2,
        ("messages_waiting", "queued"): 3,
        ("messages_waiting", "refused"): 1,
        ("messages_waiting", "quarantined"): 2,
        ("oldest_waiting_timestamp_seconds",): 50,
        ("consent_needed",): 1,
        ("token_expiry_timestamp_seconds",): 999,
        ("paused",): 1,
    }.items():
        family, *labels = what
        assert found[(f"mailhaul_{family}", name, *labels)] == value, what
    assert found[("mailhaul_ledger_size_bytes",)] == 8192
    assert found[("mailhaul_connections_open",)] == 4
    assert found[("mailhaul_daemon_up",)] == 1
    assert found[("mailhaul_daemon_start_timestamp_seconds",)] == 2.5
    assert next(key for key in found if key[0] == "mailhaul_build_info")[1] == __version__


def test_the_older_form_has_the_same_samples() -> None:
    parser = pytest.importorskip("prometheus_client.parser")
    newer = pytest.importorskip("prometheus_client.openmetrics.parser")
    older = samples(
        parser.text_string_to_metric_families(render(ENTRIES, FACTS, openmetrics=False))
    )
    assert older == samples(newer.text_string_to_metric_families(render(ENTRIES, FACTS)))
    kinds = {
        family.name: family.type
        for family in parser.text_string_to_metric_families(
            render(ENTRIES, FACTS, openmetrics=False)
        )
    }
    assert "unknown" not in kinds.values()


def test_every_series_of_an_entry_is_there_before_its_first_poll() -> None:
    text = render([ENTRIES[1]], Facts())
    for family in FAMILIES:
        # A token expires only if the account has one.
        is_there = f"\nmailhaul_{family.name}" in text.replace(f"# TYPE mailhaul_{family.name}", "")
        assert is_there or family.name == "token_expiry_timestamp_seconds"
    values = [line.split()[-1] for line in text.splitlines() if 'account="new@h"' in line]
    assert len(values) > 25
    assert set(values) == {"0"}
    assert "mailhaul_daemon_up 0" in text


def test_there_are_enough_families_and_their_names_are_unique() -> None:
    names = [family.name for family in FAMILIES]
    assert len(set(names)) == len(names) >= 12
    assert all(family.help.endswith(".") for family in FAMILIES)
