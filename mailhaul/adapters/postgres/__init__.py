"""The store in PostgreSQL, which several machines share, with the package psycopg
(``mailhaul[postgres]``).
"""
