"""Fixtures for servers on loopback ports."""

from __future__ import annotations

import pytest

from .loopback import Authority


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The certificates of this run."""
    return Authority(tmp_path_factory.mktemp("tls"))
