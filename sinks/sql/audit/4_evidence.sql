-- The audit, 4 of 7: which evidence wins, and by which contract.
--
-- The order of evidence stands in the contract, and the contract is that of the winner's campaign: so the first
-- winner, by the default order, finds a contract, and the winner by that contract's order is the conversion's.
CREATE TEMPORARY TABLE audit_evidence ENGINE = MergeTree ORDER BY conversion_id AS
WITH
    -- What too late an event says counts for nothing beside one that came in time.
    said AS
    (
        SELECT e.conversion_id AS conversion_id, a.tenant AS tenant, a.advertiser AS advertiser, e.occurred AS occurred,
            e.event_id AS event_id, e.catalog_offset AS catalog_offset, place, one.source AS source, one.names AS names,
            one.click AS click, one.journey AS journey, one.code AS code,
            if(names = 'coupon', concat(a.advertiser, '/', upper(trimBoth(code))), code) AS id
        FROM audit_events AS e
        INNER JOIN audit_earning AS a ON a.conversion_id = e.conversion_id
        ARRAY JOIN e.said AS one, arrayEnumerate(e.said) AS place
        WHERE e.converts AND NOT (e.late AND NOT a.late)
    ),
    -- A token stands for all of its journey that may earn, once its own click is there; the last one names the
    -- campaign.
    journeys AS
    (
        SELECT conversion_id, journey_id, groupArray(click_id) AS clicks, countIf(eligible) AS earning,
            argMaxIf(campaign, (clicked, toString(click_id)), eligible) AS last_campaign,
            argMaxIf(catalog_offset, (clicked, toString(click_id)), eligible) AS last_offset
        FROM audit_touches GROUP BY conversion_id, journey_id
    )
SELECT
    s.conversion_id AS conversion_id, s.occurred AS occurred, s.event_id AS event_id, s.place AS place,
    s.source AS source, s.names = 'touch' AS is_journey, s.journey AS journey_id,
    if(is_journey, j.last_campaign, of_code.campaign) AS campaign,
    -- How far the catalog had been read by whoever names the campaign.
    if(is_journey, j.last_offset, 0) AS seen,
    of_code.publisher AS publisher,
    if(s.names = 'coupon', concat('coupon:', upper(trimBoth(s.code))), s.code) AS link,
    arrayFirst(v -> v.offset <= s.catalog_offset AND v.effective <= s.occurred, o.versions) AS of_code,
    arrayFirst(v -> v.offset <= s.catalog_offset AND v.effective <= s.occurred, c.versions) AS of_campaign
FROM said AS s
LEFT JOIN journeys AS j ON j.conversion_id = s.conversion_id AND j.journey_id = s.journey
LEFT JOIN audit_codes AS o ON o.tenant = s.tenant AND o.kind = s.names AND o.id = s.id
LEFT JOIN audit_campaigns AS c ON c.tenant = s.tenant
    AND c.id = arrayFirst(v -> v.offset <= s.catalog_offset AND v.effective <= s.occurred, o.versions).campaign
WHERE
    (is_journey AND s.click IS NOT NULL AND has(j.clicks, assumeNotNull(s.click)) AND j.earning > 0)
    -- A coupon that belongs to nobody attributes nothing by itself.
    OR (s.names IN ('link', 'coupon') AND of_code.version > 0 AND of_code.active AND of_code.publisher != ''
        AND s.occurred BETWEEN of_code.from AND of_code.until
        AND of_campaign.version > 0 AND of_campaign.active AND of_campaign.advertiser = s.advertiser);

-- Each piece with the terms that it would lead to: as the earning event's edge had read the catalog, and where that
-- did not know the campaign or its contract yet, as whoever named it.
CREATE TEMPORARY TABLE audit_with_terms ENGINE = MergeTree ORDER BY conversion_id AS
SELECT
    v.*, if(found_first, first_contract, second_contract) AS contract,
    if(found_first, first_terms, second_terms) AS terms,
    if(found_first, first_campaign, second_campaign).with_own_terms AS with_own_terms
FROM
(
    SELECT e.conversion_id AS conversion_id, e.occurred AS occurred, e.event_id AS event_id, e.place AS place,
        e.source AS source, e.is_journey AS is_journey, e.journey_id AS journey_id, e.campaign AS campaign,
        e.publisher AS publisher, e.link AS link,
        a.catalog_offset AS by_event, greatest(e.seen, a.catalog_offset) AS by_either,
        arrayFirst(v -> v.offset <= by_event AND v.effective <= a.occurred, c.versions) AS first_campaign,
        arrayFirst(v -> v.offset <= by_either AND v.effective <= a.occurred, c.versions) AS second_campaign,
        first_campaign.contract AS first_contract, second_campaign.contract AS second_contract,
        arrayFirst(v -> v.offset <= by_event AND v.effective <= a.occurred, f.versions) AS first_terms,
        arrayFirst(v -> v.offset <= by_either AND v.effective <= a.occurred, s.versions) AS second_terms,
        first_campaign.version > 0 AND first_terms.version > 0 AS found_first
    FROM audit_evidence AS e
    INNER JOIN audit_earning AS a ON a.conversion_id = e.conversion_id
    LEFT JOIN audit_campaigns AS c ON c.tenant = a.tenant AND c.id = e.campaign
    LEFT JOIN audit_contracts AS f ON f.tenant = a.tenant
        AND f.id = arrayFirst(v -> v.offset <= a.catalog_offset AND v.effective <= a.occurred, c.versions).contract
    LEFT JOIN audit_contracts AS s ON s.tenant = a.tenant
        AND s.id = arrayFirst(
            v -> v.offset <= greatest(e.seen, a.catalog_offset) AND v.effective <= a.occurred, c.versions).contract
) AS v;

CREATE TEMPORARY TABLE audit_winners ENGINE = MergeTree ORDER BY conversion_id AS
WITH
    ['coupon', 'click_id', 'ref_code', 'landing_url', 'referrer', 'customer'] AS default_order,
    first AS
    (
        SELECT conversion_id, terms FROM audit_with_terms
        ORDER BY indexOf(default_order, source), occurred, event_id, place LIMIT 1 BY conversion_id
    ),
    ranked AS
    (
        SELECT w.* EXCEPT (conversion_id, terms), w.conversion_id AS conversion_id, w.terms AS terms,
            f.terms.evidence AS evidence_order, indexOf(evidence_order, w.source) AS rank
        FROM audit_with_terms AS w INNER JOIN first AS f ON f.conversion_id = w.conversion_id
        WHERE rank > 0
    )
SELECT *
FROM
(
    SELECT * FROM ranked WHERE conversion_id NOT IN (SELECT conversion_id FROM audit_earning WHERE late OR is_of_order)
    ORDER BY rank, occurred, event_id, place LIMIT 1 BY conversion_id
)
WHERE terms.version > 0;

-- Whether a customer is known from an earlier event is not recomputed: where it could be the strongest evidence.
INSERT INTO audit_not_judged
SELECT a.conversion_id, 'all', 'a customer who may be known from an earlier event'
FROM audit_earning AS a LEFT JOIN audit_winners AS w ON w.conversion_id = a.conversion_id
WHERE a.conversion_id IN (SELECT conversion_id FROM audit_events WHERE of_customer) AND NOT a.late AND NOT a.is_of_order
    AND (w.contract = '' OR indexOf(w.evidence_order, 'customer') BETWEEN 1 AND w.rank)
UNION ALL
SELECT conversion_id, if(terms.unjudged = 'rules against fraud', 'all', 'money'), terms.unjudged
FROM audit_winners WHERE terms.unjudged != '';
