-- Redirects and events that were not counted or accepted, one row per delivery (topic rejected).
CREATE TABLE IF NOT EXISTS rejected
(
    rejected_id     UUID,
    what            LowCardinality(String),
    tenant          LowCardinality(String),
    advertiser      LowCardinality(String),
    link            String,
    event_id        String,
    reason          LowCardinality(String),
    value           String CODEC(ZSTD(1)),
    occurred_at     DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    user_agent      String CODEC(ZSTD(1)),
    catalog_offset  Int64 CODEC(Delta, ZSTD(1)),
    kafka_partition Int32,
    kafka_offset    Int64 CODEC(Delta, ZSTD(1)),
    inserted_at     DateTime64(6, 'UTC') DEFAULT now64(6) CODEC(Delta, ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(occurred_at)
ORDER BY (tenant, advertiser, reason, occurred_at, rejected_id)
SETTINGS non_replicated_deduplication_window = 10000
