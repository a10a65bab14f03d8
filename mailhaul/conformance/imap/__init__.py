"""IMAP servers under test (RFC 3501, RFC 9051 and the extensions that a case names)."""
