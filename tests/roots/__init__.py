"""Clean roots of Debian, for packages and for the project's own commands.

    python -m tests.roots deb [SUITE]            build the packages in a clean root, into dist
    python -m tests.roots install [SUITE]        install them in another one, and use them
    python -m tests.roots container [SUITE]      run the steps of the Containerfile
    python -m tests.roots run SUITE COMMAND      a command in a fresh clone of this repository

SUITE is bookworm (Debian 12, the default) or trixie (13). root is needed.
"""
