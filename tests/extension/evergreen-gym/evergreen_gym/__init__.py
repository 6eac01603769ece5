"""Evergreen's own touchpoints and views in lifecircle."""
