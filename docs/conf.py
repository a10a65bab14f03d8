"""Settings of Sphinx for the pages in this folder: `make docs` builds them into build/docs."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from mailhaul import __version__

project = "mailhaul"
author = "the authors of mailhaul"
version = release = __version__
language = "en"

extensions = ["myst_parser", "rendering"]
source_suffix = {".md": "markdown"}
root_doc = "index"
# Sections of all pages can be linked to, by the name that repository hosts give them.
myst_heading_anchors = 4
highlight_language = "text"

html_theme = "furo"
html_title = f"mailhaul {version}"
html_static_path = ["_static"]
html_css_files = ["mailhaul.css"]
html_show_copyright = False
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0b5c7a", "color-brand-content": "#0b6a8f"},
    "dark_css_variables": {"color-brand-primary": "#6cc4e0", "color-brand-content": "#7fd0ea"},
}
pygments_style = "friendly"
pygments_dark_style = "github-dark"
