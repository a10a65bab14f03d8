"""Mail protocols as state machines without input or output.

Bytes go in and events come out; commands go in and bytes come out. Nothing here opens files or
sockets, reads the clock, or logs. The only imports are automat and those modules of the standard
library that do no I/O.
"""
