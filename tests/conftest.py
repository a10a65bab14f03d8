"""One choice for all tests: the same examples in every run, new ones in a soak."""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("soak", max_examples=2000, deadline=None)
settings.load_profile("soak" if os.environ.get("MAILHAUL_SOAK") else "repeatable")
