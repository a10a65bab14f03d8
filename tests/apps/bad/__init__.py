"""Bad input, broken peers and bad moments: what the command says, keeps and ends with."""
