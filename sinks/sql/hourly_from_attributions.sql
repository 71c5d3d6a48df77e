-- The last-click model counts conversions here, whatever model a contract pays by: one figure, comparable everywhere.
CREATE MATERIALIZED VIEW IF NOT EXISTS hourly_from_attributions TO hourly AS
SELECT
    tenant,
    advertiser,
    campaign,
    publisher,
    toStartOfHour(occurred_at) AS hour,
    currency,
    sum(sign * credit) AS conversions,
    sum(sign * attributed_value) AS value
FROM attributions
WHERE model = 'last'
GROUP BY tenant, advertiser, campaign, publisher, hour, currency
