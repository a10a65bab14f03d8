"""For every LMTP case a server that breaks just its requirement."""

from __future__ import annotations

from .smtp_server import Mutant

MUTANTS: dict[str, Mutant] = {}
MORE_MUTANTS: list[tuple[str, Mutant]] = []
