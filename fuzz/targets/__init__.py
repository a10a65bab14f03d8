"""The targets: one module for each thing that reads what a peer wrote, each with a ``target``."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import cast

from ..finding import Target

NAMES = sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py"))
"""All targets, by the names of their modules."""


def load(name: str) -> Target:
    """Return a target."""
    return cast(Target, import_module(f"{__name__}.{name}").target)
