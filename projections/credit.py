"""Attribution as SQL: who is given the credit for a conversion, by five rules side by side, and at what cost.

Each rule shares one conversion among the touches of its path in whole millionths, and its value in whole micro-units: a
share is the difference between two cumulative sums, rounded down, so what a path is given is always exactly what it is
worth. Time decay halves a touch's weight with each half-life before the last touch; position-based gives 40 % each to
the first and the last touch, and the rest to those between.
"""

from typing import Final

from projections.view import Question

RULES: Final = {
    "first": "all to the first touch",
    "last": "all to the last touch",
    "linear": "alike to every touch",
    "decay": "by time decay",
    "position": "by position: 40 % first, 40 % last, 20 % between",
}
"""The rules, as columns begin with them."""

_KIND = "OpportunityWon, OrderPlaced, SubscriptionStarted or ContractSigned"
_CURRENCY = "the ISO 4217 currency of the value; null where no value is known"
_DIMENSION = "channel, source, campaign, partner, or intermediary: a partner registered as one"

_PATHS = Question(
    name="paths",
    comment="Which touches led to each conversion, one row per conversion and touch, and what each is given of it.",
    columns={
        "subject": "the customer",
        "conversion_kind": _KIND,
        "conversion": "the id of the opportunity, order, subscription or contract",
        "conversion_day": "the day of the conversion, in the company's zone",
        "currency": _CURRENCY,
        "step": "the touch's number in the path, from 1",
        "steps": "number of touches in the path",
        "place": "the touch's number among all of the customer (see touches)",
        "day": "the day of the touch, in the company's zone",
        "kind": "what the touch was",
        "channel": "its channel",
        "source": "where it came from",
        "campaign": "its campaign",
        "partner": "the partner that had part in it",
        **{f"{rule}_credit_micros": f"share of the conversion, in millionths, {how}" for rule, how in RULES.items()},
        **{f"{rule}_value_micros": f"share of its value, in millionths, {how}" for rule, how in RULES.items()},
    },
    sql="""
        WITH joined AS (
            SELECT c.subject, c.kind AS conversion_kind, c.conversion, c.day AS conversion_day, c.currency,
                   c.value_micros / 1000000 AS whole_value, c.value_micros % 1000000 AS rest_value,
                   t.place - c.first_place + 1 AS step, c.touches AS steps,
                   t.place, t.day, t.kind, t.channel, t.source, t.campaign, t.partner, t.decay_weight,
                   MAX(t.decay_era) OVER (PARTITION BY c.subject, c.kind, c.conversion) - t.decay_era AS age
            FROM conversions AS c
            JOIN touches AS t ON t.subject = c.subject AND t.place BETWEEN c.first_place AND c.last_place
        ),
        weighed AS (
            SELECT joined.*, CASE WHEN age > 40 THEN 0 ELSE decay_weight >> CAST(age AS INTEGER) END AS weight
            FROM joined
        ),
        summed AS (
            SELECT weighed.*,
                   CAST(SUM(weight) OVER (PARTITION BY subject, conversion_kind, conversion ORDER BY step) AS BIGINT)
                       AS weights,
                   CAST(SUM(weight) OVER (PARTITION BY subject, conversion_kind, conversion) AS BIGINT) AS all_weights
            FROM weighed
        ),
        -- What the touches up to this one are given together, and those before it.
        cumulative AS (
            SELECT summed.*,
                   CASE WHEN step = 1 THEN 0 ELSE 1000000 END AS first_before, 1000000 AS first_upto,
                   0 AS last_before, CASE WHEN step = steps THEN 1000000 ELSE 0 END AS last_upto,
                   1000000 * (step - 1) / steps AS linear_before, 1000000 * step / steps AS linear_upto,
                   1000000 * (weights - weight) / all_weights AS decay_before,
                   1000000 * weights / all_weights AS decay_upto,
                   CASE WHEN step = 1 THEN 0 WHEN steps = 2 THEN 500000
                        ELSE 400000 + 200000 * (step - 2) / (steps - 2) END AS position_before,
                   CASE WHEN step = steps THEN 1000000 WHEN steps = 2 THEN 500000
                        ELSE 400000 + 200000 * (step - 1) / (steps - 2) END AS position_upto
            FROM summed
        )
        SELECT subject, conversion_kind, conversion, conversion_day, currency, step, steps, place, day, kind, channel,
               source, campaign, partner,
               first_upto - first_before AS first_credit_micros,
               last_upto - last_before AS last_credit_micros,
               linear_upto - linear_before AS linear_credit_micros,
               decay_upto - decay_before AS decay_credit_micros,
               position_upto - position_before AS position_credit_micros,
               whole_value * (first_upto - first_before)
                   + rest_value * first_upto / 1000000 - rest_value * first_before / 1000000 AS first_value_micros,
               whole_value * (last_upto - last_before)
                   + rest_value * last_upto / 1000000 - rest_value * last_before / 1000000 AS last_value_micros,
               whole_value * (linear_upto - linear_before)
                   + rest_value * linear_upto / 1000000 - rest_value * linear_before / 1000000 AS linear_value_micros,
               whole_value * (decay_upto - decay_before)
                   + rest_value * decay_upto / 1000000 - rest_value * decay_before / 1000000 AS decay_value_micros,
               whole_value * (position_upto - position_before)
                   + rest_value * position_upto / 1000000 - rest_value * position_before / 1000000
                   AS position_value_micros
        FROM cumulative
    """,
)

_COSTS = Question(
    name="touch_costs",
    comment="What touches cost by channel, source, campaign, partner and intermediary; currencies are kept apart.",
    columns={
        "dimension": _DIMENSION,
        "name": "which; null for touches that name none",
        "currency": "the ISO 4217 currency of the amounts",
        "touch_micros": "what the touches themselves cost, as told with them, in millionths of the currency",
        "booked_micros": "what was booked for campaigns, in millionths: whole by campaign, and else spread evenly over "
        "the campaign's touches and rounded down",
        "commission_micros": "what partners earned, in millionths, by partner and intermediary",
        "cost_micros": "all of it, in millionths of the currency",
    },
    sql="""
        WITH dimensions (dimension) AS (
            VALUES ('channel'), ('source'), ('campaign'), ('partner'), ('intermediary')
        ),
        roles AS (
            SELECT DISTINCT partner FROM partners WHERE role = 'intermediary'
        ),
        -- Alike touches are taken together first: they are many, and what they name is little.
        alike AS (
            SELECT channel, source, campaign, partner, cost_currency, COUNT(*) AS touches, SUM(cost_micros) AS cost
            FROM touches
            WHERE campaign IS NOT NULL OR cost_micros IS NOT NULL
            GROUP BY channel, source, campaign, partner, cost_currency
        ),
        named AS (
            SELECT dimension, campaign, touches, cost, cost_currency,
                   CASE dimension WHEN 'channel' THEN channel WHEN 'source' THEN source WHEN 'campaign' THEN campaign
                        WHEN 'partner' THEN alike.partner ELSE roles.partner END AS name
            FROM alike
            LEFT JOIN roles ON roles.partner = alike.partner
            CROSS JOIN dimensions
        ),
        booked AS (
            SELECT campaign, currency, CAST(SUM(cost_micros) AS BIGINT) AS cost
            FROM campaigns
            WHERE cost_micros <> 0
            GROUP BY campaign, currency
        ),
        sizes AS (
            SELECT campaign, CAST(SUM(touches) AS BIGINT) AS touches
            FROM alike
            WHERE campaign IS NOT NULL
            GROUP BY campaign
        ),
        parts AS (
            SELECT dimension, name, campaign, CAST(SUM(touches) AS BIGINT) AS touches
            FROM named
            WHERE campaign IS NOT NULL AND dimension <> 'campaign'
            GROUP BY dimension, name, campaign
        ),
        spent AS (
            SELECT dimension, name, cost_currency AS currency, cost AS touch, 0 AS booked, 0 AS commission
            FROM named
            WHERE cost IS NOT NULL
            UNION ALL
            SELECT 'campaign', campaign, currency, 0, cost, 0 FROM booked
            UNION ALL
            SELECT parts.dimension, parts.name, booked.currency, 0,
                   booked.cost / sizes.touches * parts.touches
                       + booked.cost % sizes.touches * parts.touches / sizes.touches, 0
            FROM parts
            JOIN booked ON booked.campaign = parts.campaign
            JOIN sizes ON sizes.campaign = parts.campaign
            UNION ALL
            SELECT dimension, partners.partner, currency, 0, 0, commission_micros
            FROM partners
            LEFT JOIN roles ON roles.partner = partners.partner
            CROSS JOIN dimensions
            WHERE commission_micros <> 0
                  AND (dimension = 'partner' OR (dimension = 'intermediary' AND roles.partner IS NOT NULL))
        )
        SELECT dimension, name, currency, CAST(SUM(touch) AS BIGINT) AS touch_micros,
               CAST(SUM(booked) AS BIGINT) AS booked_micros, CAST(SUM(commission) AS BIGINT) AS commission_micros,
               CAST(SUM(touch) + SUM(booked) + SUM(commission) AS BIGINT) AS cost_micros
        FROM spent
        GROUP BY dimension, name, currency
        ORDER BY dimension, cost_micros DESC, name NULLS LAST, currency
    """,
)

_ATTRIBUTION = Question(
    name="attribution",
    comment="Conversions and value credited to each channel, source, campaign, partner and intermediary by five rules, "
    "with cost and return. A cost stands in the row of each kind of conversion: it is not to be added up over kinds.",
    columns={
        "dimension": _DIMENSION,
        "name": "which; null for touches that name none",
        "conversion_kind": _KIND,
        "currency": _CURRENCY,
        "customers": "customers with such a touch in the path of a conversion",
        **{f"{rule}_credit_micros": f"conversions credited, in millionths, {how}" for rule, how in RULES.items()},
        **{f"{rule}_value_micros": f"value credited, in millionths, {how}" for rule, how in RULES.items()},
        "cost_micros": "what it cost in this currency, in millionths (see touch_costs)",
        **{
            f"{rule}_return": f"(value - cost) / cost, value shared {how}; null without cost"
            for rule, how in RULES.items()
        },
    },
    sql="""
        WITH dimensions (dimension) AS (
            VALUES ('channel'), ('source'), ('campaign'), ('partner'), ('intermediary')
        ),
        roles AS (
            SELECT DISTINCT partner FROM partners WHERE role = 'intermediary'
        ),
        kinds AS (
            SELECT DISTINCT kind FROM conversions
        ),
        told AS (
            SELECT dimension,
                   CASE dimension WHEN 'channel' THEN channel WHEN 'source' THEN source WHEN 'campaign' THEN campaign
                        WHEN 'partner' THEN paths.partner ELSE roles.partner END AS name,
                   conversion_kind, currency, subject,
                   first_credit_micros AS first_credit, last_credit_micros AS last_credit,
                   linear_credit_micros AS linear_credit, decay_credit_micros AS decay_credit,
                   position_credit_micros AS position_credit,
                   first_value_micros AS first_value, last_value_micros AS last_value,
                   linear_value_micros AS linear_value, decay_value_micros AS decay_value,
                   position_value_micros AS position_value, 0 AS cost
            FROM paths
            LEFT JOIN roles ON roles.partner = paths.partner
            CROSS JOIN dimensions
            UNION ALL
            SELECT dimension, name, kinds.kind, currency, NULL, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, cost_micros
            FROM touch_costs
            CROSS JOIN kinds
        ),
        summed AS (
            SELECT dimension, name, conversion_kind, currency, COUNT(DISTINCT subject) AS customers,
                   CAST(SUM(first_credit) AS BIGINT) AS first_credit_micros,
                   CAST(SUM(last_credit) AS BIGINT) AS last_credit_micros,
                   CAST(SUM(linear_credit) AS BIGINT) AS linear_credit_micros,
                   CAST(SUM(decay_credit) AS BIGINT) AS decay_credit_micros,
                   CAST(SUM(position_credit) AS BIGINT) AS position_credit_micros,
                   CAST(SUM(first_value) AS BIGINT) AS first_value_micros,
                   CAST(SUM(last_value) AS BIGINT) AS last_value_micros,
                   CAST(SUM(linear_value) AS BIGINT) AS linear_value_micros,
                   CAST(SUM(decay_value) AS BIGINT) AS decay_value_micros,
                   CAST(SUM(position_value) AS BIGINT) AS position_value_micros,
                   CAST(SUM(cost) AS BIGINT) AS cost_micros
            FROM told
            GROUP BY dimension, name, conversion_kind, currency
        )
        SELECT summed.*,
               CAST(first_value_micros - cost_micros AS DOUBLE PRECISION) / NULLIF(cost_micros, 0) AS first_return,
               CAST(last_value_micros - cost_micros AS DOUBLE PRECISION) / NULLIF(cost_micros, 0) AS last_return,
               CAST(linear_value_micros - cost_micros AS DOUBLE PRECISION) / NULLIF(cost_micros, 0) AS linear_return,
               CAST(decay_value_micros - cost_micros AS DOUBLE PRECISION) / NULLIF(cost_micros, 0) AS decay_return,
               CAST(position_value_micros - cost_micros AS DOUBLE PRECISION) / NULLIF(cost_micros, 0)
                   AS position_return
        FROM summed
        ORDER BY dimension, conversion_kind, currency NULLS LAST, linear_credit_micros DESC, name NULLS LAST
    """,
)

_EFFECT = Question(
    name="touch_effect",
    comment="How many touches it takes: paths by their number of touches, and how many of them led to a conversion. "
    "Touches after a customer's last conversion of the kind are a path that has led to none.",
    columns={
        "conversion_kind": _KIND,
        "touches": "number of touches in the path; 11 stands for 11 and more",
        "paths": "number of paths",
        "conversions": "of these led to a conversion",
        "conversion_share": "their share, 0 to 1",
    },
    sql="""
        WITH kinds AS (
            SELECT DISTINCT kind FROM conversions
        ),
        lasts AS (
            SELECT subject, kind, MAX(last_place) AS last_place FROM conversions GROUP BY subject, kind
        ),
        trails AS (
            SELECT kind, touches AS length, 1 AS converted FROM conversions WHERE touches > 0
            UNION ALL
            SELECT kinds.kind, COUNT(*), 0
            FROM touches
            CROSS JOIN kinds
            LEFT JOIN lasts ON lasts.subject = touches.subject AND lasts.kind = kinds.kind
            WHERE touches.place > COALESCE(lasts.last_place, 0)
            GROUP BY kinds.kind, touches.subject
        )
        SELECT kind AS conversion_kind, CASE WHEN length < 11 THEN length ELSE 11 END AS touches, COUNT(*) AS paths,
               CAST(SUM(converted) AS BIGINT) AS conversions,
               CAST(SUM(converted) AS DOUBLE PRECISION) / COUNT(*) AS conversion_share
        FROM trails
        GROUP BY kind, CASE WHEN length < 11 THEN length ELSE 11 END
        ORDER BY conversion_kind, touches
    """,
)

_RESPONSE = Question(
    name="response_effect",
    comment="Whether a quick first answer pays: inquiries by how soon they were answered, and how many led to more.",
    columns={
        "place": "order of the classes, the quickest first",
        "answered": "how soon: within an hour, 4 hours, a day, 3 days, later, or not yet",
        "inquiries": "number of inquiries",
        "converted": "of these followed by a conversion of any kind",
        "conversion_share": "their share, 0 to 1",
    },
    sql="""
        WITH inquiries AS (
            SELECT CASE WHEN response_seconds IS NULL THEN 6 WHEN response_seconds <= 3600 THEN 1
                        WHEN response_seconds <= 14400 THEN 2 WHEN response_seconds <= 86400 THEN 3
                        WHEN response_seconds <= 259200 THEN 4 ELSE 5 END AS class,
                   CASE WHEN EXISTS (
                            SELECT 1 FROM conversions
                            WHERE conversions.subject = touches.subject AND conversions.last_place >= touches.place
                        ) THEN 1 ELSE 0 END AS converted
            FROM touches
            WHERE inquiry IS NOT NULL
        )
        SELECT class AS place,
               CASE class WHEN 1 THEN 'within an hour' WHEN 2 THEN 'within 4 hours' WHEN 3 THEN 'within a day'
                          WHEN 4 THEN 'within 3 days' WHEN 5 THEN 'later' ELSE 'not yet' END AS answered,
               COUNT(*) AS inquiries, CAST(SUM(converted) AS BIGINT) AS converted,
               CAST(SUM(converted) AS DOUBLE PRECISION) / COUNT(*) AS conversion_share
        FROM inquiries
        GROUP BY class
        ORDER BY class
    """,
)

QUESTIONS: Final = (_PATHS, _COSTS, _ATTRIBUTION, _EFFECT, _RESPONSE)
"""All of them, each after those that it rests on."""

ATTRIBUTION_COLUMNS: Final = tuple(_ATTRIBUTION.columns)
