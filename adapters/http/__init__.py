"""The service: append, read and follow over HTTP."""
