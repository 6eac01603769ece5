"""Products: what sells, what it brings, how long it lasts, and what competitors offer."""

from projections.report import Bars, Report, Section

REPORT = Report(
    place=12,
    name="products",
    title="Products",
    says="What is bought and what it brings, what goes together, how long products last, and what competitors offer.",
    sections=(
        Section(
            "What sells",
            "The thirty products of greatest value kept; a profit stands only where all unit costs are known.",
            "profit_by_product",
            "SELECT sku, currency, CAST(SUM(orders) AS BIGINT) AS orders,"
            " CAST(SUM(quantity_micros) AS BIGINT) AS quantity_micros, CAST(SUM(kept_micros) AS BIGINT) AS kept_micros,"
            " CAST(SUM(lines_without_cost) AS BIGINT) AS lines_without_cost,"
            " CASE WHEN SUM(lines_without_cost) = 0 THEN CAST(SUM(profit_micros) AS BIGINT) END AS profit_micros"
            " FROM profit_by_product WHERE sku IS NOT NULL GROUP BY sku, currency"
            " ORDER BY kept_micros DESC, sku, currency LIMIT 30",
            Bars(("sku",), ("kept_micros",)),
        ),
        Section(
            "Categories",
            "Value kept of each category; a profit stands only where all unit costs are known.",
            "profit_by_category",
            "SELECT category, currency, products, customers, kept_micros, lines_without_cost, profit_micros"
            " FROM profit_by_category ORDER BY kept_micros DESC, category IS NULL, category, currency",
            Bars(("category",), ("kept_micros",)),
        ),
        Section(
            "What goes together",
            "The twenty pairs that the same customers buy most often beyond chance; five customers at least.",
            "product_affinity",
            "SELECT sku, other_sku, customers_both, support, confidence, lift FROM product_affinity"
            " WHERE customers_both >= 5 AND sku < other_sku ORDER BY lift DESC, sku, other_sku LIMIT 20",
        ),
        Section(
            "Life of products",
            "Pieces in customers' hands, in use and retired; ours and competitors'.",
            "product_life_cycle",
            "SELECT product, vendor, in_use, retired, customers, median_life_days, downtimes, downtime_hours"
            " FROM product_life_cycle ORDER BY assets DESC, product IS NULL, product, vendor IS NULL, vendor",
            Bars(("product", "vendor"), ("in_use", "retired"), "pieces"),
        ),
        Section(
            "Competitors",
            "Deals that each competitor won from us.",
            "competitors",
            "SELECT vendor, observations, products, deals_lost, share_of_losses, in_use, customers FROM competitors"
            " ORDER BY deals_lost DESC, vendor",
            Bars(("vendor",), ("deals_lost",), "deals"),
        ),
    ),
)
