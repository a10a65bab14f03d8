"""Sinks, where mail is delivered: one module for each kind."""
