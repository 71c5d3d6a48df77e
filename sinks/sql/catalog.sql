-- Every version of every entity (topic catalog); body is JSON, without the hashes of API keys.
CREATE TABLE IF NOT EXISTS catalog
(
    kind            LowCardinality(String),
    tenant          LowCardinality(String),
    id              String,
    version         Int32,
    effective_from  DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    applied_at      DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    body            String CODEC(ZSTD(1)),
    kafka_partition Int32,
    kafka_offset    Int64 CODEC(Delta, ZSTD(1)),
    inserted_at     DateTime64(6, 'UTC') DEFAULT now64(6) CODEC(Delta, ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(applied_at)
ORDER BY (tenant, kind, id, version)
SETTINGS non_replicated_deduplication_window = 10000
