"""What persons may ask of us: to be found, to be told all that is held of them, to be forgotten; and who reads it."""
