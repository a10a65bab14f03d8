"""How to wait: drivers that perform the requests of a flow.

``blocking`` uses one poll(2) call and no threads, ``trio`` and ``asyncio`` run a flow as part of
a task of theirs, and ``simulated`` runs in memory with a virtual clock. They share ``engine``,
which does the work with non-blocking calls and yields what it has to wait for, and ``drive``,
which takes a flow from one request to the next.
"""
