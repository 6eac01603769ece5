"""Pages for people: one HTML file each, which works offline; every value is escaped by the templates beside this.

The page of an evidence bundle is not among them: it must be checked, and made anew, by the standard library alone.
"""

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

_PAGES = Environment(
    loader=PackageLoader("adapters.pages", ""),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


def page(template: str, /, **values: Any) -> bytes:
    """Fill in the template of this name."""
    return _PAGES.get_template(template).render(values).encode()
