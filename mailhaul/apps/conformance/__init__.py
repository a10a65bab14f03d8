"""``mailhaul conformance``: judges mail servers and clients (docs/conformance.md)."""
