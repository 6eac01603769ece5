"""What a touchpoint is, the kinds, the rules, and the effective history. Pure: no clock, no file, no database."""
