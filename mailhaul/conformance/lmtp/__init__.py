"""LMTP servers under test (RFC 2033)."""
