"""The documentation site: Markdown pages of this folder and an API reference of docstrings; `make docs` builds it."""

import re
from typing import Any

from candelabra.environment import __version__

project = "candelabra"
author = "the authors of candelabra"
release = version = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]
exclude_patterns = ["_build", "conf.py"]
html_theme = "furo"
html_title = f"candelabra {release}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_copyright = False
toc_object_entries_show_parents = "hide"
default_role = "code"  # docstrings mark code by single backticks

myst_enable_extensions = ["colon_fence", "fieldlist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_inherit_docstrings = False  # those of Lightning and torch are theirs
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_attr_annotations = False  # an annotation such as `str_` reads as a link
copybutton_prompt_text = "$ "
copybutton_line_continuation_character = "\\"


def drop_folder_links(app: Any, page: str, source: list[str]) -> None:
    """Keeps the words alone of links to folders of the repository, which a site does not have.

    Args:
        app: see `add_remaining_pages`.
        page: likewise.
        source: likewise.
    """
    source[0] = re.sub(r"\[([^\]]+)\]\((?:\.\./)+[\w/]+\)", r"`\1`", source[0])


def add_remaining_pages(app: Any, page: str, source: list[str]) -> None:
    """Adds the pages that no toctree of index.md lists to the end of it, so that a new page is found.

    Args:
        app: Sphinx's application.
        page: the page that is read, without its ending.
        source: its text, alone in a list; changed in place.
    """
    if page == "index":
        listed = set(re.findall(r"^[\w/]+$", source[0], re.MULTILINE))
        # A folder with an index lists its pages itself.
        folders = {name.removesuffix("index") for name in listed if name.endswith("/index")}
        remaining = sorted(
            found for found in app.env.found_docs - listed - {"index"} if not found.startswith(tuple(folders))
        )
        if remaining:
            source[0] += "\n".join(["", "```{toctree}", ":caption: New", ":hidden:", "", *remaining, "```", ""])


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("source-read", add_remaining_pages)
    app.connect("source-read", drop_folder_links)
