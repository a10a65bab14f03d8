"""Clients under test: mailhaul plays the servers, starts the client, and judges what it did."""
