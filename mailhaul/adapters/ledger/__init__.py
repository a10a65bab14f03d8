"""Durable memory of what was offered, accepted and settled."""
