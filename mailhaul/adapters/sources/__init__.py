"""Where mail comes from: one file for each protocol."""
