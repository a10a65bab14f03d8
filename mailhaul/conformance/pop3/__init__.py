"""POP3 servers under test (RFC 1939, 2449, 2595, 5034, 6856)."""
