"""SMTP servers under test (RFC 5321, and the extensions that a server announces)."""
