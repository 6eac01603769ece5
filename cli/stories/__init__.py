"""Stories that the demo tells."""
