CREATE MATERIALIZED VIEW IF NOT EXISTS hourly_from_journal TO hourly AS
SELECT
    tenant,
    advertiser,
    campaign,
    publisher,
    toStartOfHour(occurred_at) AS hour,
    currency,
    sumIf(amount, account_kind = 'advertiser') AS commission,
    -sumIf(amount, account_kind = 'publisher') AS payout,
    -sumIf(amount, account_kind = 'platform') AS platform_fee
FROM journal
GROUP BY tenant, advertiser, campaign, publisher, hour, currency
