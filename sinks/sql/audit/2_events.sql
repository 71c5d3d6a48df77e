-- The audit, 2 of 7: what each conversion was told, and which of its events earns.
--
-- An event with an order id is the order's; its event id is another name of that order. What adjusts a conversion
-- (refunds, chargebacks, words of a network) and names both goes to both, and what stands at such an event goes on to
-- its orders.
CREATE TEMPORARY TABLE audit_names ENGINE = MergeTree ORDER BY of_event AS
SELECT DISTINCT assumeNotNull(event_conversion_id) AS of_event, conversion_id AS of_order
FROM events
WHERE event_conversion_id IS NOT NULL AND action IN ('purchase', 'signup', 'custom', 'lead', 'sale', 'rebill')
    AND ({tenant:String} IN ('', tenant));

CREATE TEMPORARY TABLE audit_told ENGINE = MergeTree ORDER BY conversion_id AS
WITH
    raw AS
    (
        SELECT
            conversion_id AS at, event_conversion_id, tenant, advertiser, event_id, action,
            action IN ('purchase', 'signup', 'custom', 'lead', 'sale', 'rebill') AS converts,
            toInt256(value * 1000000) AS value, currency,
            toUnixTimestamp64Micro(occurred_at) AS occurred, toUnixTimestamp64Micro(received_at) AS received,
            received - occurred > 60 * 24 * 3600 * 1000000 AS late,
            toString(payload_hash) AS payload, catalog_offset, customer IS NOT NULL AS of_customer,
            notEmpty(items.sku) AS with_items, inserted_at,
            arrayMap(
                (source, names, click, journey, code) -> CAST(
                    (source, names, click, journey, code),
                    'Tuple(source String, names String, click Nullable(UUID), journey Nullable(UUID), code String)'),
                evidence.source, evidence.names, evidence.click_id, evidence.journey_id, evidence.code) AS said
        FROM (SELECT * REPLACE (CAST(action AS String) AS action, CAST(currency AS String) AS currency) FROM events)
        WHERE ({tenant:String} IN ('', tenant)) AND action NOT IN ('add_to_cart', 'drop_off')
    ),
    addressed AS
    (
        SELECT at AS conversion_id, * EXCEPT at FROM raw
        UNION ALL
        SELECT assumeNotNull(event_conversion_id) AS conversion_id, * EXCEPT at FROM raw
        WHERE NOT converts AND event_conversion_id IS NOT NULL
    )
SELECT * EXCEPT event_conversion_id FROM addressed
UNION ALL
SELECT of_order AS conversion_id, addressed.* EXCEPT (event_conversion_id, conversion_id)
FROM addressed INNER JOIN audit_names ON addressed.conversion_id = audit_names.of_event
WHERE NOT converts;

-- One per event id, or per event id and kind where it adjusts: of one payload the earliest copy, of several payloads
-- the one received first.
CREATE TEMPORARY TABLE audit_events ENGINE = MergeTree ORDER BY conversion_id AS
SELECT *
FROM
(
    SELECT * FROM audit_told ORDER BY occurred, received, catalog_offset LIMIT 1 BY conversion_id, event_id, payload
)
ORDER BY received, payload
LIMIT 1 BY conversion_id, event_id, if(converts, '', action);

-- The earliest that converts and came in time. A lead is only that until its sale is known, a rebill without a sale
-- too.
CREATE TEMPORARY TABLE audit_earning ENGINE = MergeTree ORDER BY conversion_id AS
SELECT *, conversion_id IN (SELECT of_event FROM audit_names) AS is_of_order
FROM audit_events
WHERE converts
ORDER BY late, multiIf(action = 'lead', 1, action = 'rebill', 2, 0), occurred, event_id
LIMIT 1 BY conversion_id;

-- Why a conversion is not judged at all; the processor keeps so much of each, by rules that are not repeated here.
CREATE TEMPORARY TABLE audit_not_judged ENGINE = MergeTree ORDER BY (conversion_id, what) AS
SELECT conversion_id, 'all' AS what, 'more than 64 events or 256 refunds and the like' AS reason
FROM (SELECT DISTINCT conversion_id, event_id, payload, converts FROM audit_told)
GROUP BY conversion_id
HAVING countIf(converts) > 64 OR countIf(NOT converts) > 256
UNION ALL
SELECT DISTINCT conversion_id, 'all', 'a subscription''s rebills' FROM audit_events WHERE action = 'rebill'
UNION ALL
SELECT DISTINCT conversion_id, 'all', 'came in a moment ago'
FROM audit_told WHERE inserted_at > now64(6) - toIntervalSecond({quiet_seconds:UInt32})
UNION ALL
SELECT DISTINCT conversion_id, 'money', 'line items' FROM audit_told WHERE with_items
UNION ALL
SELECT DISTINCT conversion_id, 'all', 'a person''s command'
FROM decisions WHERE command_verb != '' AND ({tenant:String} IN ('', tenant));
