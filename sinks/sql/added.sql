-- Columns that installations made by an earlier version lack. Each statement may be repeated; each column is as in
-- its table's own file. Rows that were loaded before have the default: '', 0, NULL, or what is given here.
ALTER TABLE clicks ADD COLUMN IF NOT EXISTS marks LowCardinality(String) AFTER params;
ALTER TABLE events
    ADD COLUMN IF NOT EXISTS items.sku Array(String) AFTER properties,
    ADD COLUMN IF NOT EXISTS items.category Array(LowCardinality(String)) AFTER items.sku,
    ADD COLUMN IF NOT EXISTS items.quantity Array(Int32) AFTER items.category,
    ADD COLUMN IF NOT EXISTS items.value Array(Decimal(38, 6)) AFTER items.quantity,
    ADD COLUMN IF NOT EXISTS refund_of String AFTER items.value;
ALTER TABLE decisions
    ADD COLUMN IF NOT EXISTS shares.contract Array(LowCardinality(String)) AFTER shares.platform_fee,
    ADD COLUMN IF NOT EXISTS shares.contract_version Array(Nullable(Int32)) AFTER shares.contract,
    ADD COLUMN IF NOT EXISTS status LowCardinality(String) AFTER same_as,
    ADD COLUMN IF NOT EXISTS full_commission Decimal(38, 6) DEFAULT commission AFTER status,
    ADD COLUMN IF NOT EXISTS refunded Decimal(38, 6) AFTER full_commission,
    ADD COLUMN IF NOT EXISTS charged_back Decimal(38, 6) AFTER refunded,
    ADD COLUMN IF NOT EXISTS fraud_score Nullable(Int32) AFTER charged_back,
    ADD COLUMN IF NOT EXISTS fraud_hold_at Nullable(Int32) AFTER fraud_score,
    ADD COLUMN IF NOT EXISTS fraud_reject_at Nullable(Int32) AFTER fraud_hold_at,
    ADD COLUMN IF NOT EXISTS fraud.rule Array(LowCardinality(String)) AFTER fraud_reject_at,
    ADD COLUMN IF NOT EXISTS fraud.score Array(Int32) AFTER fraud.rule,
    ADD COLUMN IF NOT EXISTS fraud.measured Array(String) AFTER fraud.score,
    ADD COLUMN IF NOT EXISTS fraud.click_id Array(Nullable(UUID)) AFTER fraud.measured,
    ADD COLUMN IF NOT EXISTS command_id String AFTER fraud.click_id,
    ADD COLUMN IF NOT EXISTS command_verb LowCardinality(String) AFTER command_id,
    ADD COLUMN IF NOT EXISTS command_by LowCardinality(String) AFTER command_verb,
    ADD COLUMN IF NOT EXISTS command_why String AFTER command_by,
    ADD COLUMN IF NOT EXISTS command_issued_at Nullable(DateTime64(6, 'UTC')) AFTER command_why,
    ADD COLUMN IF NOT EXISTS command_effect LowCardinality(String) AFTER command_issued_at;
ALTER TABLE journal ADD COLUMN IF NOT EXISTS cause_event String AFTER hold_until;
