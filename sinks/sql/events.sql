-- Events as delivered, one row per delivery: a log, not a count of conversions (topic events, without what join
-- forwarded). Partitioned by the edge's time: an advertiser's may be any.
CREATE TABLE IF NOT EXISTS events
(
    event_id            String,
    conversion_id       UUID,
    event_conversion_id Nullable(UUID),
    tenant              LowCardinality(String),
    advertiser          LowCardinality(String),
    api_key             LowCardinality(String),
    action              LowCardinality(String),
    order_id            String,
    value               Decimal(38, 6),
    currency            LowCardinality(String),
    occurred_at         DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    received_at         DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    clock_ahead_micros  Int64,
    customer            Nullable(UUID),
    evidence            Nested(source LowCardinality(String), value String, names LowCardinality(String),
                            click_id Nullable(UUID), journey_id Nullable(UUID), code String, problem String),
    landing_url         String CODEC(ZSTD(1)),
    referrer            String CODEC(ZSTD(1)),
    properties          String CODEC(ZSTD(1)),
    -- What was sold, or what of it a refund takes back.
    items               Nested(sku String, category LowCardinality(String), quantity Int32, value Decimal(38, 6)),
    -- The event id of the sale that a refund or a status is about, where it names no order.
    refund_of           String,
    payload_hash        UUID,
    catalog_offset      Int64 CODEC(Delta, ZSTD(1)),
    kafka_partition     Int32,
    kafka_offset        Int64 CODEC(Delta, ZSTD(1)),
    inserted_at         DateTime64(6, 'UTC') DEFAULT now64(6) CODEC(Delta, ZSTD(1)),
    INDEX conversion_id_bloom conversion_id TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(received_at)
ORDER BY (tenant, advertiser, action, received_at, event_id)
SETTINGS non_replicated_deduplication_window = 10000
