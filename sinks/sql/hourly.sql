-- Clicks, conversions and money per hour. Nothing is stored twice: each table keeps these sums with its rows, in the
-- same part (its projection hourly), so they are there when the rows are. A row comes from one table, so queries sum.
-- Clicks have no currency: theirs is ''. The last-click model counts conversions, whatever model a contract pays by: one
-- figure, comparable everywhere. The expressions are those of the projections: any other would read every row.
CREATE VIEW IF NOT EXISTS hourly
(
    tenant       LowCardinality(String),
    advertiser   LowCardinality(String),
    campaign     LowCardinality(String),
    publisher    LowCardinality(String),
    hour         DateTime('UTC'),
    currency     LowCardinality(String),
    clicks       Int64,
    conversions  Decimal(38, 12),
    value        Decimal(38, 18),
    commission   Decimal(38, 6),
    payout       Decimal(38, 6),
    platform_fee Decimal(38, 6)
)
AS
SELECT
    tenant,
    advertiser,
    campaign,
    publisher,
    toStartOfHour(occurred_at) AS hour,
    toLowCardinality('') AS currency,
    toInt64(count()) AS clicks,
    toDecimal128(0, 12) AS conversions,
    toDecimal128(0, 18) AS value,
    toDecimal128(0, 6) AS commission,
    toDecimal128(0, 6) AS payout,
    toDecimal128(0, 6) AS platform_fee
FROM clicks
GROUP BY tenant, advertiser, campaign, publisher, hour
UNION ALL
SELECT
    tenant,
    advertiser,
    campaign,
    publisher,
    toStartOfHour(occurred_at) AS hour,
    currency,
    toInt64(0) AS clicks,
    sum(sign * credit) AS conversions,
    sum(sign * attributed_value) AS value,
    toDecimal128(0, 6) AS commission,
    toDecimal128(0, 6) AS payout,
    toDecimal128(0, 6) AS platform_fee
FROM attributions
WHERE model = 'last'
GROUP BY tenant, advertiser, campaign, publisher, hour, currency
UNION ALL
SELECT
    tenant,
    advertiser,
    campaign,
    publisher,
    toStartOfHour(occurred_at) AS hour,
    currency,
    toInt64(0) AS clicks,
    toDecimal128(0, 12) AS conversions,
    toDecimal128(0, 18) AS value,
    sumIf(amount, account_kind = 'advertiser') AS commission,
    -sumIf(amount, account_kind = 'publisher') AS payout,
    -sumIf(amount, account_kind = 'platform') AS platform_fee
FROM journal
GROUP BY tenant, advertiser, campaign, publisher, hour, currency
