"""Finds the mail server of an address: a table of providers, DNS, autoconfig, and guesses."""
