"""Backups of a log with all that belongs to it, and the way back."""
