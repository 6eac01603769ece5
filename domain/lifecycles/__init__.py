"""The rules of the company's world, a lifecycle to a file, found by its being there."""
