CREATE MATERIALIZED VIEW IF NOT EXISTS hourly_from_clicks TO hourly AS
SELECT
    tenant,
    advertiser,
    campaign,
    publisher,
    toStartOfHour(occurred_at) AS hour,
    '' AS currency,
    toInt64(count()) AS clicks
FROM clicks
GROUP BY tenant, advertiser, campaign, publisher, hour
