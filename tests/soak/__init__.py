"""Thousands of polls in virtual time, each with faults that one number decides."""
