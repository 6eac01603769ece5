"""Service: how soon tickets are answered and helped."""

from projections.report import Bars, Report, Section

REPORT = Report(
    place=9,
    name="service",
    title="Service",
    says="How soon customers are answered and helped, by whom, and which ways tickets take.",
    sections=(
        Section(
            "Service levels",
            "Median hours until tickets were resolved, by what was promised and how bad it was.",
            "service_levels",
            "SELECT sla, severity, tickets, unresolved, reopened, due, in_time, mean_response_hours,"
            " mean_resolution_hours, median_resolution_hours FROM service_levels"
            " ORDER BY tickets DESC, sla IS NULL, sla, severity IS NULL, severity",
            Bars(("sla", "severity"), ("median_resolution_hours",), "hours"),
        ),
        Section(
            "Tickets by agent",
            "Tickets by the one who was last to see to them, and how many are unresolved.",
            "service_by_agent",
            "SELECT agent, tickets, unresolved, reopened, mean_response_hours, mean_resolution_hours"
            " FROM service_by_agent ORDER BY tickets DESC, agent IS NULL, agent",
            Bars(("agent",), ("tickets", "unresolved"), "tickets"),
        ),
        Section(
            "Ways that tickets take",
            "The twenty most frequent paths, each with its share of all tickets.",
            "ticket_variants",
            "SELECT path, tickets, share, customers, steps, mean_resolution_hours FROM ticket_variants"
            " ORDER BY tickets DESC, path LIMIT 20",
        ),
        Section(
            "Who waits for an answer",
            "Inquiries and tickets without an answer, the longest wait first, in whole days; at most twenty.",
            "awaiting_response",
            "SELECT subject, entity, agent, asked_at, waiting_seconds / 86400 AS waiting_days FROM awaiting_response"
            " ORDER BY waiting_seconds DESC, subject, entity LIMIT 20",
        ),
        Section(
            "Requests about personal data",
            "Requests of persons without an answer, the next to fall due first.",
            "open_requests",
            "SELECT subject, request, asked_for, received_day, due_day, days_left FROM open_requests"
            " ORDER BY due_day IS NULL, due_day, subject, request",
        ),
    ),
)
