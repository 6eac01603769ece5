"""Campaigns and partners: whom they reached, what they cost and what they brought."""

from projections.report import Bars, Report, Section, removal_effect

REPORT = Report(
    place=4,
    name="campaigns",
    title="Campaigns and partners",
    says="Whom campaigns and partners reached, who responded, what they cost and what they brought.",
    sections=(
        Section(
            "Response to campaigns",
            "Customers whom each campaign touched, and how many of them acted.",
            "campaign_response",
            "SELECT campaign, name, channel, launched_day, touches, customers, responders, response_share"
            " FROM campaign_response ORDER BY customers DESC, campaign",
            Bars(("campaign",), ("customers", "responders"), "customers"),
        ),
        Section(
            "Cost and return of campaigns",
            "Value credited to each campaign alike over all touches, against its cost.",
            "attribution",
            "SELECT name, conversion_kind, currency, customers, linear_credit_micros, linear_value_micros,"
            " cost_micros, linear_return FROM attribution WHERE dimension = 'campaign' AND name IS NOT NULL"
            " AND currency IS NOT NULL ORDER BY linear_value_micros DESC, name, conversion_kind, currency",
            Bars(("name", "conversion_kind"), ("linear_value_micros", "cost_micros")),
        ),
        removal_effect(
            "Campaigns by removal effect",
            "Value shared by what would be lost if every path that comes to a campaign ended there.",
            "campaign",
            beside="cost_micros",
        ),
        Section(
            "Whom partners brought",
            "Customers with a contact that names the partner, and those whose first contact did.",
            "partners_reach",
            "SELECT partner, role, customers, brought, touches, opportunities, won FROM partners_reach"
            " ORDER BY customers DESC, partner",
            Bars(("partner",), ("customers", "brought"), "customers"),
        ),
        Section(
            "What partners contributed",
            "Net value of orders through each partner, and its commission.",
            "partners_contribution",
            "SELECT partner, currency, customers, orders, net_micros, commission_micros, contribution_micros"
            " FROM partners_contribution ORDER BY net_micros DESC, partner, currency",
            Bars(("partner",), ("net_micros", "commission_micros")),
        ),
        removal_effect(
            "Partners by removal effect",
            "Value shared by what would be lost if every path that comes to a partner ended there.",
            "partner",
            beside="cost_micros",
        ),
    ),
)
