"""What the company lets the program decide, a decision to a file, found by its being there."""
