"""The parts of ``mailhaul explain``: the session, what is used and why, and certificates."""
