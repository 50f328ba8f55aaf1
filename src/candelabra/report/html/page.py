"""Render self-contained HTML pages: pictures and scripts are embedded, nothing is downloaded."""

from pathlib import Path
from typing import Any

from candelabra.storage.atomic import write_atomically

_SHARED = Path(__file__).parent


def write_page(template: Path, path: Path, **values: Any) -> None:
    """Render a template with all values escaped and write the page atomically.

    Args:
        template: a Jinja file, which may extend and include templates in the folder of this module.
        path: of the page. Bytes of names that are no UTF-8 are written as `backslashreplace` does.
        values: variables of the template; strings are escaped, so they cannot contain markup.
    """
    from jinja2 import Environment, FileSystemLoader

    loader = FileSystemLoader([template.parent, _SHARED])
    page = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True).get_template(template.name)
    write_atomically(path, page.render(**values))
