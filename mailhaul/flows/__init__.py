"""What to do, and in which order: coroutines that await only the requests in this package.

No socket, clock, file or thread is used here; a runtime answers the requests.
"""
