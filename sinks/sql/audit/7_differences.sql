-- The audit, 7 of 7: what was computed beside what is stored. Only here the processor's own tables are read.
--
-- audit_differences has a row for each place where the two differ; audit_checks says of each table how much was
-- judged, how much was not, and why; audit_reasons counts conversions by reason.
CREATE TEMPORARY TABLE audit_differences
(
    checked String, tenant String, conversion_id String, about String, recomputed String, stored String
)
ENGINE = MergeTree ORDER BY (checked, tenant, conversion_id, about);

CREATE TEMPORARY TABLE audit_checks
(
    place UInt8, of String, checked String, judged UInt64, not_judged UInt64
)
ENGINE = MergeTree ORDER BY place;

-- A month's correction by a contract's tiers is a conversion of its own, without an event.
INSERT INTO audit_not_judged
SELECT DISTINCT conversion_id, 'money', 'a month''s correction by tiers'
FROM journal
WHERE (tenant, contract) IN (SELECT tenant, id FROM audit_contracts WHERE arrayExists(v -> v.with_tiers, versions))
    AND conversion_id NOT IN (SELECT conversion_id FROM audit_earning)
    AND conversion_id NOT IN (SELECT conversion_id FROM decisions);

-- Attributions of the three models, row by row: what is taken back and told anew adds up to what holds.
CREATE TEMPORARY TABLE audit_attributions ENGINE = MergeTree ORDER BY conversion_id AS
SELECT conversion_id, any(tenant_) AS tenant, model, publisher, campaign, link, click_id, touched,
    sum(expected) AS credit_expected, sum(stored) AS credit_stored,
    sum(value_expected) AS value_expected, sum(value_stored) AS value_stored
FROM
(
    SELECT r.conversion_id AS conversion_id, a.tenant AS tenant_, r.model AS model, r.publisher AS publisher,
        r.campaign AS campaign, r.link AS link, r.click_id AS click_id, r.touched AS touched,
        r.credit AS expected, toInt256(0) AS stored, r.credit * a.value AS value_expected, toInt256(0) AS value_stored
    FROM audit_credits AS r INNER JOIN audit_earning AS a ON a.conversion_id = r.conversion_id
    UNION ALL
    SELECT conversion_id, tenant, model, publisher, campaign, link, click_id, toUnixTimestamp64Micro(touch_at),
        toInt256(0), toInt256(sign * toDecimal256(credit, 12) * 1000000000000),
        toInt256(0), toInt256(sign * toDecimal256(attributed_value, 18) * 1000000000000000000)
    FROM attributions
    WHERE model IN ('last', 'first', 'linear') AND ({tenant:String} IN ('', tenant))
)
GROUP BY conversion_id, model, publisher, campaign, link, click_id, touched
HAVING credit_expected != 0 OR credit_stored != 0 OR value_stored != 0;

INSERT INTO audit_differences
WITH
    (credit, value) -> concat('credit ', toString(toDecimal256(credit, 12) / 1000000000000), ', value ',
        toString(toDecimal256(value, 18) / 1000000000000000000)) AS shown
SELECT 'attributions', tenant, toString(conversion_id),
    concat(model, ' of ', publisher, ', campaign ', campaign, ', link ', link, ', touch ',
        ifNull(toString(click_id), 'synthetic'), ' at ', toString(fromUnixTimestamp64Micro(touched, 'UTC'))),
    shown(credit_expected, value_expected), shown(credit_stored, value_stored)
FROM audit_attributions
WHERE (credit_expected != credit_stored OR value_expected != value_stored)
    AND conversion_id NOT IN (SELECT conversion_id FROM audit_not_judged WHERE what = 'all');

INSERT INTO audit_checks
SELECT 1, 'attributions', 'attributions (last, first, linear)', countIf(judged), countIf(NOT judged)
FROM
(
    SELECT conversion_id NOT IN (SELECT conversion_id FROM audit_not_judged WHERE what = 'all') AS judged
    FROM audit_attributions
);

-- Decisions, field by field. Status and money are compared only where money was computed.
CREATE TEMPORARY TABLE audit_decisions ENGINE = MergeTree ORDER BY conversion_id AS
WITH
    millionths -> toString(toDecimal128(millionths, 6) / 1000000) AS amount,
    expected AS
    (
        SELECT a.conversion_id AS conversion_id, a.tenant AS tenant,
            multiIf(a.is_of_order, 'same_as_order', a.late, 'too_late', w.contract != '', 'attributed', 'unattributed')
                AS outcome,
            outcome = 'attributed' AS earned,
            [
                ('outcome', outcome),
                ('value', amount(s.value)), ('currency', s.currency),
                ('campaign', if(earned, w.campaign, '')), ('contract', if(earned, w.contract, '')),
                ('contract version', toString(if(earned, w.terms.version, 0)))
            ] AS told,
            [
                ('status', s.status), ('refunded', amount(s.refunded)), ('charged back', amount(s.charged_back)),
                ('full commission', amount(if(earned, c.full_commission, toInt256(0)))),
                ('commission', amount(if(earned, c.commission, toInt256(0)))),
                ('payout', amount(if(earned, p.payout, toInt256(0)))),
                ('platform fee', amount(if(earned, p.platform_fee, toInt256(0))))
            ] AS paid
        FROM audit_earning AS a
        INNER JOIN audit_sold AS s ON s.conversion_id = a.conversion_id
        LEFT JOIN audit_winners AS w ON w.conversion_id = a.conversion_id
        LEFT JOIN audit_commissions AS c ON c.conversion_id = a.conversion_id
        LEFT JOIN
        (
            SELECT conversion_id, sum(payout) AS payout, sum(platform_fee) AS platform_fee
            FROM audit_shares GROUP BY conversion_id
        ) AS p ON p.conversion_id = a.conversion_id
    ),
    stored AS
    (
        SELECT conversion_id, tenant,
            [
                ('outcome', toString(outcome)), ('value', toString(value)), ('currency', toString(currency)),
                ('campaign', if(outcome = 'attributed', toString(campaign), '')), ('contract', toString(contract)),
                ('contract version', toString(ifNull(contract_version, 0)))
            ] AS told,
            [
                ('status', toString(status)), ('refunded', toString(refunded)), ('charged back', toString(charged_back)),
                ('full commission', toString(full_commission)), ('commission', toString(commission)),
                ('payout', toString(payout)), ('platform fee', toString(platform_fee))
            ] AS paid
        FROM decisions
        WHERE ({tenant:String} IN ('', tenant))
        ORDER BY revision DESC LIMIT 1 BY conversion_id
    )
SELECT
    if(there, s.conversion_id, e.conversion_id) AS conversion_id, if(there, s.tenant, e.tenant) AS tenant,
    notEmpty(s.told) AS there, notEmpty(e.told) AS computed,
    conversion_id IN (SELECT conversion_id FROM audit_not_judged WHERE what = 'all') AS unjudged,
    conversion_id IN (SELECT conversion_id FROM audit_not_judged) AS unpaid,
    if(unpaid, e.told, arrayConcat(e.told, e.paid)) AS expected,
    if(unpaid, s.told, arrayConcat(s.told, s.paid)) AS found
FROM expected AS e FULL JOIN stored AS s ON s.conversion_id = e.conversion_id;

INSERT INTO audit_differences
SELECT 'decisions', tenant, toString(conversion_id), 'the decision', if(computed, expected[1].2, 'none: no event'),
    if(there, found[1].2, 'none')
FROM audit_decisions WHERE there != computed AND NOT unjudged
UNION ALL
SELECT
    if(field.1.1 IN ('outcome', 'value', 'currency', 'campaign', 'contract', 'contract version'), 'decisions',
        'decisions (money)'),
    tenant, toString(conversion_id), field.1.1, field.1.2, field.2.2
FROM audit_decisions ARRAY JOIN arrayZip(expected, found) AS field
WHERE there AND computed AND NOT unjudged AND field.1 != field.2;

INSERT INTO audit_checks
SELECT 2, 'decisions', 'decisions', countIf(NOT unjudged), countIf(unjudged) FROM audit_decisions
UNION ALL
SELECT 3, 'decisions (money)', 'decisions, their status and money', countIf(NOT unpaid), countIf(unpaid) FROM audit_decisions;

-- Entries of one conversion, publisher and currency add up to what is due. An entry is one entry however often it
-- stands in the topic: its id is a function of what it books.
CREATE TEMPORARY TABLE audit_booked ENGINE = MergeTree ORDER BY (conversion_id, publisher) AS
SELECT conversion_id, any(tenant_) AS tenant, publisher, currency,
    sum(commission_e) AS commission_expected, sum(payout_e) AS payout_expected, sum(fee_e) AS fee_expected,
    sum(commission_s) AS commission_stored, sum(payout_s) AS payout_stored, sum(fee_s) AS fee_stored,
    max(posted) AS there, conversion_id IN (SELECT conversion_id FROM audit_not_judged) AS unjudged
FROM
(
    SELECT s.conversion_id AS conversion_id, a.tenant AS tenant_, s.publisher AS publisher, s.currency AS currency,
        s.commission AS commission_e, s.payout AS payout_e, s.platform_fee AS fee_e,
        toInt256(0) AS commission_s, toInt256(0) AS payout_s, toInt256(0) AS fee_s, 0 AS posted
    FROM audit_shares AS s INNER JOIN audit_earning AS a ON a.conversion_id = s.conversion_id
    UNION ALL
    SELECT conversion_id, any(tenant), publisher, currency, toInt256(0), toInt256(0), toInt256(0),
        sumIf(toInt256(amount * 1000000), account_kind = 'advertiser'),
        -sumIf(toInt256(amount * 1000000), account_kind = 'publisher'),
        -sumIf(toInt256(amount * 1000000), account_kind = 'platform'), 1
    FROM (SELECT * FROM journal WHERE ({tenant:String} IN ('', tenant)) LIMIT 1 BY entry_id, posting)
    GROUP BY conversion_id, publisher, currency
)
GROUP BY conversion_id, publisher, currency
HAVING there OR commission_expected != 0;

INSERT INTO audit_differences
WITH
    (commission, payout, fee) -> concat('commission ', toString(toDecimal128(commission, 6) / 1000000), ' = payout ',
        toString(toDecimal128(payout, 6) / 1000000), ' + fee ', toString(toDecimal128(fee, 6) / 1000000)) AS shown
SELECT 'journal', tenant, toString(conversion_id), concat(publisher, ', ', currency),
    shown(commission_expected, payout_expected, fee_expected), shown(commission_stored, payout_stored, fee_stored)
FROM audit_booked
WHERE NOT unjudged
    AND (commission_expected, payout_expected, fee_expected) != (commission_stored, payout_stored, fee_stored)
UNION ALL
SELECT 'journal', tenant, toString(conversion_id), concat('entry ', toString(entry_id), ' of ', publisher),
    'postings that sum to 0', concat('a sum of ', toString(total))
FROM
(
    SELECT entry_id, any(tenant) AS tenant, any(conversion_id) AS conversion_id, any(publisher) AS publisher,
        sum(amount) AS total
    FROM (SELECT * FROM journal WHERE ({tenant:String} IN ('', tenant)) LIMIT 1 BY entry_id, posting)
    GROUP BY entry_id HAVING total != 0
);

INSERT INTO audit_checks
SELECT 4, 'journal', 'journal, by conversion and publisher', countIf(NOT unjudged), countIf(unjudged) FROM audit_booked;

-- Balances: what was computed, and beside it what stands in the journal for conversions that were not judged.
CREATE TEMPORARY TABLE audit_balances ENGINE = MergeTree ORDER BY (tenant, publisher, currency) AS
SELECT tenant, publisher, currency, sum(computed) AS computed, sum(taken_over) AS taken_over, sum(stored) AS stored
FROM
(
    SELECT tenant, publisher, currency, payout_expected AS computed, toInt256(0) AS taken_over, toInt256(0) AS stored
    FROM audit_booked WHERE NOT unjudged
    UNION ALL
    SELECT tenant, publisher, currency, toInt256(0), payout_stored, toInt256(0) FROM audit_booked WHERE unjudged
    UNION ALL
    SELECT tenant, publisher, currency, toInt256(0), toInt256(0), toInt256(held * 1000000)
    FROM publisher_balances WHERE ({tenant:String} IN ('', tenant))
)
GROUP BY tenant, publisher, currency;

INSERT INTO audit_differences
WITH (amount) -> toString(toDecimal128(amount, 6) / 1000000) AS shown
SELECT 'publisher_balances', tenant, '', concat(publisher, ', ', currency),
    concat(shown(computed), if(taken_over = 0, '', concat(' and ', shown(taken_over), ' not judged'))), shown(stored)
FROM audit_balances WHERE computed + taken_over != stored;

INSERT INTO audit_checks
SELECT 5, 'publisher_balances', 'publisher_balances (not judged: a part of them)', count(), countIf(taken_over != 0)
FROM audit_balances;

CREATE TEMPORARY TABLE audit_reasons ENGINE = MergeTree ORDER BY reason AS
SELECT if(what = 'all', 'not judged at all', 'money not judged') AS what, reason,
    uniqExact(conversion_id) AS conversions
FROM audit_not_judged
WHERE conversion_id IN (SELECT conversion_id FROM audit_decisions)
    OR conversion_id IN (SELECT conversion_id FROM audit_booked)
GROUP BY what, reason;
