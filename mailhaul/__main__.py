"""``python -m mailhaul`` is the command line."""

from .apps.cli.main import main

raise SystemExit(main())
