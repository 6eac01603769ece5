"""Seal, prove, verify: trust that rests on published roots, not on the database."""
