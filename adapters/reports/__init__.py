"""Reports: their questions asked at one cursor, drawn, and put on one page."""
