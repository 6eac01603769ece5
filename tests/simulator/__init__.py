"""A market whose truth is known: what views, questions and decisions answer is held against what made it."""
