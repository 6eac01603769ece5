"""Write the reference anew, and delete pages that nothing describes any more."""

from docs.generate import REFERENCE, reference
from docs.generate.schemas import write

write()
made = reference()
for stale in set(REFERENCE.rglob("*.*")) - set(made):
    stale.unlink()
for page, text in made.items():
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(text, encoding="utf-8")
print(f"{len(made)} pages of reference written")
