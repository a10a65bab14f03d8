"""Transcripts of every connection, without secrets: how to record and how to replay them.

docs/trace.md describes the format.
"""
