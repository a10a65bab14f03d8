"""``python -m mailhaul`` is the command line."""

from .apps.main import main

raise SystemExit(main())
