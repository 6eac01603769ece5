"""Models over the rows of views: pure functions that are loaded only when one is asked for; some need scipy."""
