"""Reports: their questions asked at one cursor, drawn, and put on one page."""

import logging

# It would tell whoever makes the first page of an account that it looks for fonts.
logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
