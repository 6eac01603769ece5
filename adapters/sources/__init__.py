"""Where histories come from: files of rows, turned into touchpoints by a declarative mapping."""
