"""Attribution and channels: what brings customers, and what it costs."""

from projections.report import Bars, Report, Section, removal_effect

REPORT = Report(
    place=3,
    name="attribution",
    title="Attribution and channels",
    says="Which channels and sources reach customers, and what of the conversions is credited to each.",
    sections=(
        Section(
            "Reach and response by channel",
            "Customers whom each channel touched, and how many of them acted.",
            "reach",
            "SELECT name, touches, customers, responders, response_share FROM reach WHERE dimension = 'channel'"
            " ORDER BY customers DESC, name IS NULL, name",
            Bars(("name",), ("customers", "responders"), "customers"),
        ),
        Section(
            "Value credited to channels",
            "Value of conversions that each channel is credited with by five rules; see lifecircle attribution.",
            "attribution",
            "SELECT name, conversion_kind, currency, customers, first_value_micros, last_value_micros,"
            " linear_value_micros, decay_value_micros, position_value_micros, cost_micros, linear_return"
            " FROM attribution WHERE dimension = 'channel' AND currency IS NOT NULL"
            " ORDER BY linear_value_micros DESC, name IS NULL, name, conversion_kind, currency",
            Bars(("name", "conversion_kind"), ("first_value_micros", "linear_value_micros", "last_value_micros")),
        ),
        Section(
            "Value credited to sources",
            "The same by the source that touches came from.",
            "attribution",
            "SELECT name, conversion_kind, currency, customers, first_value_micros, last_value_micros,"
            " linear_value_micros, decay_value_micros, position_value_micros, cost_micros, linear_return"
            " FROM attribution WHERE dimension = 'source' AND currency IS NOT NULL"
            " ORDER BY linear_value_micros DESC, name IS NULL, name, conversion_kind, currency",
            Bars(("name", "conversion_kind"), ("first_value_micros", "linear_value_micros", "last_value_micros")),
        ),
        removal_effect(
            "Channels by removal effect",
            "The same value shared from data: by what would be lost if every path that comes to a channel ended there.",
            "channel",
            beside="linear_value_micros",
        ),
        Section(
            "What would be lost without a channel",
            "The removal effect: the share of conversions that no path would reach, were it not for the channel.",
            "attribution",
            chart=Bars(("channel", "conversion_kind"), ("lost_share",), "share"),
            model="attribution.effects",
        ),
        removal_effect(
            "Sources by removal effect",
            "The same for the source that touches came from.",
            "source",
            beside="linear_value_micros",
        ),
        Section(
            "What channels cost",
            "Cost of touches, bookings of campaigns and commissions.",
            "touch_costs",
            "SELECT name, currency, touch_micros, booked_micros, commission_micros, cost_micros FROM touch_costs"
            " WHERE dimension = 'channel' ORDER BY cost_micros DESC, name IS NULL, name, currency",
            Bars(("name",), ("cost_micros",)),
        ),
        Section(
            "How many touches it takes",
            "Share of the paths with so many touches that led to a conversion.",
            "touch_effect",
            "SELECT conversion_kind, touches, paths, conversions, conversion_share FROM touch_effect"
            " ORDER BY conversion_kind, touches",
            Bars(("conversion_kind", "touches"), ("conversion_share",), "share"),
        ),
        Section(
            "Does a quick answer pay",
            "Share of inquiries that led to a conversion, by how soon they were answered.",
            "response_effect",
            "SELECT answered, inquiries, converted, conversion_share FROM response_effect ORDER BY place",
            Bars(("answered",), ("conversion_share",), "share"),
        ),
        Section(
            "Contacts by channel",
            "How customers and we meet.",
            "contacts_by_channel",
            "SELECT channel, direction, CAST(SUM(contacts) AS BIGINT) AS contacts FROM contacts_by_channel"
            " GROUP BY channel, direction ORDER BY 3 DESC, channel IS NULL, channel, direction IS NULL, direction",
            Bars(("channel", "direction"), ("contacts",), "contacts"),
        ),
    ),
)
