"""The service under load: how much it takes, how fast it answers, and whether its memory stays as it is."""
