"""Log lines for machines: one JSON object each, on standard error, and never a value of a customer's."""

import sys

import structlog


def as_json() -> None:
    """Let this process write its log lines so."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
