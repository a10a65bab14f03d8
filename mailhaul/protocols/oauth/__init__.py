"""An OAuth 2.0 client without HTTP: requests out, responses in (RFC 6749 and its companions)."""
