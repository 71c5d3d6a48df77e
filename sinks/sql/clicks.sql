-- One row per counted redirect (topic clicks).
CREATE TABLE IF NOT EXISTS clicks
(
    click_id        UUID,
    journey_id      UUID,
    tenant          LowCardinality(String),
    advertiser      LowCardinality(String),
    campaign        LowCardinality(String),
    publisher       LowCardinality(String),
    link            LowCardinality(String),
    occurred_at     DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    returning       Bool,
    referrer        String CODEC(ZSTD(1)),
    user_agent      String CODEC(ZSTD(1)),
    ip_hash         Nullable(UUID),
    params          Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    marks           LowCardinality(String),
    catalog_offset  Int64 CODEC(Delta, ZSTD(1)),
    kafka_partition Int32,
    kafka_offset    Int64 CODEC(Delta, ZSTD(1)),
    inserted_at     DateTime64(6, 'UTC') DEFAULT now64(6) CODEC(Delta, ZSTD(1)),
    INDEX click_id_bloom click_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX journey_id_bloom journey_id TYPE bloom_filter(0.01) GRANULARITY 1,
    PROJECTION hourly
    (
        SELECT tenant, advertiser, campaign, publisher, toStartOfHour(occurred_at), count()
        GROUP BY tenant, advertiser, campaign, publisher, toStartOfHour(occurred_at)
    )
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(occurred_at)
ORDER BY (tenant, advertiser, campaign, publisher, occurred_at, click_id)
SETTINGS non_replicated_deduplication_window = 10000
