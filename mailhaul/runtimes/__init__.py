"""How to wait: drivers that answer the requests of a flow.

``blocking`` uses one poll(2) call and no threads, ``trio`` leaves the waiting to trio, and
``simulated`` runs in memory with a virtual clock. The first two share ``engine``, which
does the work with non-blocking calls and says only what has to be waited for.
"""
