"""Imports into Gmail by its API: requests and answers as values, without a connection."""
