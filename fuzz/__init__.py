"""Fuzzing of everything that reads what a peer wrote. README.md says how."""
