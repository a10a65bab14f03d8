"""``python -m mailhaul.apps.demo`` runs the demo."""

from .main import main

raise SystemExit(main())
