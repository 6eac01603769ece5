"""Makes the pages of `docs/reference` from the code that they describe; a file here for each sort of page."""

from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

REFERENCE = Path(__file__).parents[1] / "reference"


def reference() -> dict[Path, str]:
    """Every page with its text. A sort of page is found by its file's being here, with `pages() -> {name: text}`."""
    sorts = [import_module(f"{__name__}.{found.name}") for found in iter_modules(__path__) if found.name != "__main__"]
    made = {name: text for sort in sorts if hasattr(sort, "pages") for name, text in sort.pages().items()}
    return {REFERENCE / name: text for name, text in sorted(made.items())}
