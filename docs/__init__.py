"""How the project explains itself. The reference is made by `docs.generate`; the rest is written by hand."""
