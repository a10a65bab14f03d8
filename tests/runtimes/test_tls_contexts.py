"""A context is shared by all who trust alike, for as long as the files are the same."""

from __future__ import annotations

import os
from pathlib import Path

import trustme

from mailhaul.flows.requests import Trust
from mailhaul.runtimes.tls import shared_context


def test_the_host_name_makes_no_difference_and_the_rest_does() -> None:
    first = shared_context(Trust("a.example"))
    assert shared_context(Trust("b.example")) is first
    assert shared_context(Trust("a.example", verify=False)) is not first
    assert shared_context(Trust("a.example", minimum="tls1.3")) is not first


def test_a_file_that_changes_makes_a_new_context(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(path))
    trust = Trust("a.example", ca_file=str(path))
    first = shared_context(trust)
    assert shared_context(trust) is first
    trustme.CA().cert_pem.write_to_path(str(path))
    os.utime(path, ns=(1, 1))
    second = shared_context(trust)
    assert second is not first
    assert first.get_ca_certs() != second.get_ca_certs()
