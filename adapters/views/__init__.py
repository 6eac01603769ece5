"""Views as they are kept: folded live, rebuilt, replayed for one subject, and as they stood at a moment."""
