"""From other programs: what they know of fetched messages, and rc files made from theirs."""
