"""Transcripts: what was said on every connection, without secrets, and how to go through it again.

docs/trace.md describes the form.
"""
