"""A judge of mail servers and mail clients: one case for each requirement of an RFC.

A case is a short coroutine that sends exact octets and looks at parsed responses (cases.py). Its
environment gives it connections, users and mail, so that the same case runs against a real server
and against the in-memory servers of this package. docs/conformance.md is the guide.
"""
