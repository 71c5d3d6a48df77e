-- Balanced entries, one row per posting, debit positive (topic journal): sum(amount) is 0 per currency.
CREATE TABLE IF NOT EXISTS journal
(
    entry_id                UUID,
    posting                 UInt32,
    account                 String,
    account_kind            LowCardinality(String),
    amount                  Decimal(38, 6),
    currency                LowCardinality(String),
    tenant                  LowCardinality(String),
    publisher               LowCardinality(String),
    advertiser              LowCardinality(String),
    campaign                LowCardinality(String),
    conversion_id           UUID,
    revision                Int32,
    cause                   LowCardinality(String),
    occurred_at             DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    received_at             DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    contract                LowCardinality(String),
    contract_version        Int32,
    cumulative_commission   Decimal(38, 6),
    cumulative_payout       Decimal(38, 6),
    cumulative_platform_fee Decimal(38, 6),
    hold_until              DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    -- The id of the event behind the entry; '' where that is the conversion's own.
    cause_event             String,
    kafka_partition         Int32,
    kafka_offset            Int64 CODEC(Delta, ZSTD(1)),
    inserted_at             DateTime64(6, 'UTC') DEFAULT now64(6) CODEC(Delta, ZSTD(1)),
    INDEX conversion_id_bloom conversion_id TYPE bloom_filter(0.01) GRANULARITY 1,
    PROJECTION hourly
    (
        SELECT tenant, advertiser, campaign, publisher, toStartOfHour(occurred_at), currency,
            sumIf(amount, account_kind = 'advertiser'),
            sumIf(amount, account_kind = 'publisher'),
            sumIf(amount, account_kind = 'platform')
        GROUP BY tenant, advertiser, campaign, publisher, toStartOfHour(occurred_at), currency
    )
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(received_at)
ORDER BY (tenant, publisher, currency, occurred_at, entry_id, posting)
SETTINGS non_replicated_deduplication_window = 10000
