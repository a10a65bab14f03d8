"""Bad input, broken peers and bad moments: messages, remaining mail and exit code."""
