"""What the bytes mean: mail protocols as machines without a socket.

Bytes go in, events come out; commands go in, bytes come out. Nothing here opens a
file or a socket, knows the time, or logs. Only the pure parts of the standard
library and automat are imported.
"""
