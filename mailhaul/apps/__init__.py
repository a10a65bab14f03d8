"""The programs: they put things together, and only they read configuration and print."""
