-- Clicks, conversions and money per hour, fed by the three views beside this file; rows are summed as parts merge, so
-- queries sum too. Clicks have no currency: theirs is ''. It needs a deduplication window of its own: without one a
-- retried insert into clicks doubles it.
CREATE TABLE IF NOT EXISTS hourly
(
    tenant       LowCardinality(String),
    advertiser   LowCardinality(String),
    campaign     LowCardinality(String),
    publisher    LowCardinality(String),
    hour         DateTime('UTC') CODEC(Delta, ZSTD(1)),
    currency     LowCardinality(String),
    clicks       Int64,
    conversions  Decimal(38, 12),
    value        Decimal(38, 18),
    commission   Decimal(38, 6),
    payout       Decimal(38, 6),
    platform_fee Decimal(38, 6)
)
ENGINE = SummingMergeTree
PARTITION BY toYYYYMM(hour)
ORDER BY (tenant, advertiser, campaign, publisher, hour, currency)
SETTINGS non_replicated_deduplication_window = 10000
