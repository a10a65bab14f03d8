"""Where mail goes: one file for each kind of sink."""
