"""OAuth for accounts: sign in, keep tokens, refresh them."""
