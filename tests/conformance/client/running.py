"""Runs a case against the scripted client, whole or with faults."""

from __future__ import annotations

from collections.abc import Callable, Collection

from mailhaul.conformance.client.environment import ClientEnvironment, ClientTarget
from mailhaul.conformance.client.starting import Plan, Running
from mailhaul.conformance.client.template import Template
from mailhaul.conformance.judge import judge
from mailhaul.conformance.suites import load_suite
from mailhaul.conformance.verdicts import Result
from mailhaul.runtimes import blocking

from .scripted import FETCHER, Scripted

SECONDS = 8.0


def start_with(faults: Collection[str]) -> Callable[[Plan], Running]:
    def start(plan: Plan) -> Running:
        return Scripted(plan, faults)

    return start


TARGETS: dict[tuple[str, frozenset[str]], ClientTarget] = {}


def target_of(template: Template, faults: Collection[str], seconds: float) -> ClientTarget:
    """Return a target; that of a client without a fault is made once, with its certificates."""
    key = (template.name, frozenset(faults))
    if key not in TARGETS:
        whole = next(iter(TARGETS.values()), None)
        target = ClientTarget(template, seconds, start=start_with(faults), trusted=bool(faults))
        if whole:
            target.share_certificates(whole)
        TARGETS[key] = target
    return TARGETS[key]


def result_of(
    name: str, *faults: str, template: Template = FETCHER, seconds: float = SECONDS
) -> Result:
    """Return the result of a case against the scripted client, which may run for so long."""
    environment = ClientEnvironment(target_of(template, faults, seconds))
    return blocking.run(judge(load_suite("client").cases[name], environment))
