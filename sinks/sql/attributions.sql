-- Credits, one row per touch, model and sign (topic attributions): a new revision first repeats the old rows with
-- sign -1, so sum(sign * credit) is right at any time.
CREATE TABLE IF NOT EXISTS attributions
(
    conversion_id    UUID,
    revision         Int32,
    sign             Int8,
    model            LowCardinality(String),
    click_id         Nullable(UUID),
    touch_at         DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    tenant           LowCardinality(String),
    advertiser       LowCardinality(String),
    campaign         LowCardinality(String),
    publisher        LowCardinality(String),
    link             LowCardinality(String),
    action           LowCardinality(String),
    occurred_at      DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    value            Decimal(38, 6),
    currency         LowCardinality(String),
    credit           Decimal(38, 12),
    attributed_value Decimal(38, 18),
    kafka_partition  Int32,
    kafka_offset     Int64 CODEC(Delta, ZSTD(1)),
    kafka_row        UInt32,
    inserted_at      DateTime64(6, 'UTC') DEFAULT now64(6) CODEC(Delta, ZSTD(1)),
    INDEX conversion_id_bloom conversion_id TYPE bloom_filter(0.01) GRANULARITY 1,
    PROJECTION hourly
    (
        SELECT tenant, advertiser, campaign, publisher, toStartOfHour(occurred_at), currency, model,
            sum(sign * credit), sum(sign * attributed_value)
        GROUP BY tenant, advertiser, campaign, publisher, toStartOfHour(occurred_at), currency, model
    )
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(occurred_at)
ORDER BY (tenant, advertiser, publisher, model, occurred_at, conversion_id)
SETTINGS non_replicated_deduplication_window = 10000
