-- The audit, 3 of 7: which clicks a conversion knows of, and which of them may earn.
--
-- It knows the journeys that its events name, each with the clicks up to ten minutes after the last event that names
-- it: a click that seems to follow the event still counts where the event's own token names it, since two machines'
-- clocks differ.
CREATE TEMPORARY TABLE audit_touches ENGINE = MergeTree ORDER BY (conversion_id, journey_id) AS
WITH
    600 * 1000000 AS skew,
    reached AS
    (
        SELECT conversion_id, any(tenant) AS tenant, any(advertiser) AS advertiser,
            assumeNotNull(one.journey) AS journey_id, max(occurred) + skew AS until
        FROM audit_told ARRAY JOIN said AS one
        WHERE converts AND one.journey IS NOT NULL
        GROUP BY conversion_id, journey_id
    ),
    named AS
    (
        SELECT conversion_id, groupUniqArrayArray(arrayMap(one -> one.click, said)) AS clicks
        FROM audit_events WHERE converts GROUP BY conversion_id
    ),
    -- Of a click that was delivered again, one.
    seen AS
    (
        SELECT tenant, advertiser, journey_id, click_id, campaign, publisher, link, catalog_offset, inserted_at,
            toUnixTimestamp64Micro(occurred_at) AS clicked
        FROM clicks
        WHERE ({tenant:String} IN ('', tenant)) AND journey_id IN (SELECT journey_id FROM reached)
        LIMIT 1 BY tenant, advertiser, journey_id, click_id, clicked
    ),
    known AS
    (
        SELECT r.conversion_id AS conversion_id, s.tenant AS tenant, s.journey_id AS journey_id,
            s.click_id AS click_id, s.campaign AS campaign, s.publisher AS publisher, s.link AS link,
            s.catalog_offset AS catalog_offset, s.inserted_at AS inserted_at, s.clicked AS clicked,
            e.advertiser AS of_advertiser, e.occurred - s.clicked AS age,
            has(n.clicks, s.click_id) AS named_by_token
        FROM reached AS r
        INNER JOIN seen AS s ON s.tenant = r.tenant AND s.advertiser = r.advertiser AND s.journey_id = r.journey_id
        INNER JOIN audit_earning AS e ON e.conversion_id = r.conversion_id
        INNER JOIN named AS n ON n.conversion_id = r.conversion_id
        WHERE s.clicked <= r.until
    )
SELECT
    k.conversion_id AS conversion_id, k.journey_id AS journey_id, k.click_id AS click_id, k.clicked AS clicked,
    k.campaign AS campaign, k.publisher AS publisher, k.link AS link, k.catalog_offset AS catalog_offset,
    k.inserted_at AS inserted_at,
    -- Of the catalog as the click's edge had read it, at the click's time.
    arrayFirst(v -> v.offset <= k.catalog_offset AND v.effective <= k.clicked, c.versions) AS of_campaign,
    arrayFirst(v -> v.offset <= k.catalog_offset AND v.effective <= k.clicked, l.versions) AS of_link,
    (
        (k.age >= 0 OR (k.age >= -skew AND k.named_by_token))
        AND of_campaign.version > 0 AND of_campaign.advertiser = k.of_advertiser AND of_campaign.active
        AND (of_link.version = 0 OR (of_link.active AND k.clicked BETWEEN of_link.from AND of_link.until))
        AND k.age <= of_campaign.look_back
        AND (of_campaign.minimum = 0 OR k.age >= of_campaign.minimum)
    ) AS eligible
FROM known AS k
LEFT JOIN audit_campaigns AS c ON c.tenant = k.tenant AND c.id = k.campaign
LEFT JOIN (SELECT * FROM audit_codes WHERE kind = 'link') AS l ON l.tenant = k.tenant AND l.id = k.link;

INSERT INTO audit_not_judged
SELECT conversion_id, 'all', 'more than 16 journeys, or 254 clicks of one'
FROM (SELECT conversion_id, journey_id, count() AS clicks FROM audit_touches GROUP BY conversion_id, journey_id)
GROUP BY conversion_id
HAVING count() > 16 OR max(clicks) > 254
UNION ALL
SELECT DISTINCT conversion_id, 'all', 'an override of windows'
FROM audit_touches AS t INNER JOIN audit_overrides AS o
    ON 1 WHERE o.campaign IN ('', t.campaign) AND o.publisher IN ('', t.publisher)
UNION ALL
SELECT DISTINCT conversion_id, 'all', 'came in a moment ago'
FROM audit_touches WHERE inserted_at > now64(6) - toIntervalSecond({quiet_seconds:UInt32});
