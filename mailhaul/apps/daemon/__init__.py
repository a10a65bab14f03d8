"""The daemon: keeps accounts polled, under trio."""
