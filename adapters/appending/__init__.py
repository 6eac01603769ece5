"""How touchpoints enter a log: decided, judged, gathered into rounds and committed together."""
