-- Input that could not be used (topic dead-letters). A writer that crashed may have written one twice, so of equal
-- ones the latest stays: read it with FINAL. No view may be fed from it.
CREATE TABLE IF NOT EXISTS dead_letters
(
    topic           LowCardinality(String),
    partition       Int32,
    offset          Int64 CODEC(Delta, ZSTD(1)),
    stage           LowCardinality(String),
    error           String CODEC(ZSTD(1)),
    key             String CODEC(ZSTD(1)),
    value           String CODEC(ZSTD(1)),
    failed_at       DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    kafka_partition Int32,
    kafka_offset    Int64 CODEC(Delta, ZSTD(1)),
    inserted_at     DateTime64(6, 'UTC') DEFAULT now64(6) CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(failed_at)
ORDER BY (topic, partition, offset, stage)
SETTINGS non_replicated_deduplication_window = 10000
