"""Real histories, imported whole: the figures that the views show for them, under the names of `expected.json`."""
