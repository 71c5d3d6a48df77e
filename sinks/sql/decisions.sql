-- Who earns a conversion and why, one row per revision (topic decisions); the view conversions has the current ones.
CREATE TABLE IF NOT EXISTS decisions
(
    conversion_id       UUID,
    revision            Int32,
    tenant              LowCardinality(String),
    advertiser          LowCardinality(String),
    campaign            LowCardinality(String),
    event_id            String,
    order_id            String,
    action              LowCardinality(String),
    outcome             LowCardinality(String),
    reason              LowCardinality(String),
    reason_value        String,
    occurred_at         DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    received_at         DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    value               Decimal(38, 6),
    currency            LowCardinality(String),
    contract            LowCardinality(String),
    contract_version    Nullable(Int32),
    paying_model        LowCardinality(String),
    commission_rate_ppm Nullable(Int64),
    platform_share_ppm  Nullable(Int64),
    commission          Decimal(38, 6),
    payout              Decimal(38, 6),
    platform_fee        Decimal(38, 6),
    -- contract is '' where the publisher is paid by the campaign's.
    shares              Nested(publisher LowCardinality(String), commission Decimal(38, 6),
                            payout Decimal(38, 6), platform_fee Decimal(38, 6),
                            contract LowCardinality(String), contract_version Nullable(Int32)),
    arithmetic          String CODEC(ZSTD(1)),
    evidence            Nested(source LowCardinality(String), value String, event_id String, used Bool,
                            reason LowCardinality(String), measured String),
    touches             Nested(click_id Nullable(UUID), journey_id Nullable(UUID),
                            occurred_at DateTime64(6, 'UTC'), campaign LowCardinality(String),
                            publisher LowCardinality(String), link String, kept Bool,
                            reason LowCardinality(String), value String),
    touches_not_listed  Int64,
    deliveries          Nested(event_id String, reason LowCardinality(String), value String),
    clock_ahead_micros  Int64,
    catalog_offset      Int64 CODEC(Delta, ZSTD(1)),
    same_as             Nullable(UUID),
    -- What became of the conversion, and what of its value was taken back.
    status              LowCardinality(String),
    full_commission     Decimal(38, 6) DEFAULT commission,
    refunded            Decimal(38, 6),
    charged_back        Decimal(38, 6),
    -- What the contract's rules found; no score where it has none or they found nothing.
    fraud_score         Nullable(Int32),
    fraud_hold_at       Nullable(Int32),
    fraud_reject_at     Nullable(Int32),
    fraud               Nested(rule LowCardinality(String), score Int32, measured String, click_id Nullable(UUID)),
    -- The person's command that holds.
    command_id          String,
    command_verb        LowCardinality(String),
    command_by          LowCardinality(String),
    command_why         String,
    command_issued_at   Nullable(DateTime64(6, 'UTC')),
    command_effect      LowCardinality(String),
    kafka_partition     Int32,
    kafka_offset        Int64 CODEC(Delta, ZSTD(1)),
    inserted_at         DateTime64(6, 'UTC') DEFAULT now64(6) CODEC(Delta, ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(received_at)
ORDER BY (tenant, advertiser, conversion_id, revision)
SETTINGS non_replicated_deduplication_window = 10000
