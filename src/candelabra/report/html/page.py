"""Pages: one file each, with its pictures and scripts in it, that fetches nothing; imports nothing heavy."""

from pathlib import Path
from typing import Any

from candelabra.storage.atomic import write_atomically

_SHARED = Path(__file__).parent


def write_page(template: Path, path: Path, **values: Any) -> None:
    """Renders a template with all values escaped, and writes the page beside its place before it is put there.

    Args:
        template: a file of Jinja, which may extend and include what lies beside this module.
        path: of the page. Bytes of names that are no UTF-8 are written as `backslashreplace` does.
        values: what the template shows; text of them is text on the page, whatever it holds.
    """
    from jinja2 import Environment, FileSystemLoader

    loader = FileSystemLoader([template.parent, _SHARED])
    page = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True).get_template(template.name)
    write_atomically(path, page.render(**values))
