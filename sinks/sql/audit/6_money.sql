-- The audit, 6 of 7: what is left of each sale, what its contract pays for that, and who gets it.
--
-- A refund or chargeback counts where it came in time and in the sale's currency (to take back all, none is needed), a
-- chargeback until it is won. Without a value it takes back everything.
CREATE TEMPORARY TABLE audit_sold ENGINE = MergeTree ORDER BY conversion_id AS
WITH
    won AS
    (
        SELECT conversion_id, max(occurred) AS until FROM audit_events
        WHERE action = 'chargeback_won' AND NOT late GROUP BY conversion_id
    ),
    -- The last word; of two at one time the one that pays less.
    words AS
    (
        SELECT conversion_id, argMax(action = 'rejected', (occurred, action = 'rejected')) AS rejected
        FROM audit_events
        WHERE action IN ('sale', 'approved', 'rejected') AND NOT late GROUP BY conversion_id
    ),
    taken AS
    (
        SELECT e.conversion_id AS conversion_id,
            countIf(e.action = 'refund') AS refunds, countIf(e.action = 'chargeback') AS chargebacks,
            countIf(e.action = 'refund' AND e.value <= 0) > 0 AS refunded_all, countIf(e.value <= 0) > 0 AS taken_all,
            sumIf(greatest(e.value, 0), e.action = 'refund') AS refunded, sum(greatest(e.value, 0)) AS taken
        FROM audit_events AS e
        INNER JOIN audit_earning AS a ON a.conversion_id = e.conversion_id
        LEFT JOIN won AS w ON w.conversion_id = e.conversion_id
        WHERE e.action IN ('refund', 'chargeback') AND NOT e.late AND (e.value = 0 OR e.currency = a.currency)
            AND NOT (e.action = 'chargeback' AND w.conversion_id = e.conversion_id AND e.occurred <= w.until)
        GROUP BY conversion_id
    ),
    limits AS
    (
        SELECT a.conversion_id AS conversion_id, a.value AS value, a.currency AS currency, a.action AS action,
            greatest(a.value, 0) AS worth,
            t.refunded_all OR (t.refunded > 0 AND worth = 0) AS refunded_whole, least(t.refunded, worth) AS refund,
            t.taken_all OR refunded_whole OR (t.taken > 0 AND worth = 0) AS whole, least(t.taken, worth) AS of_all,
            if(t.refunds = 0, 0, if(refunded_whole, worth, refund)) AS refunded,
            if(whole, worth, of_all) AS taken,
            if(t.chargebacks = 0, 0, taken - refunded) AS charged_back,
            t.refunds > 0 AND (refunded_whole OR (refunded > 0 AND refunded = worth)) AS refunds_left_nothing,
            whole OR (taken > 0 AND taken = worth) AS nothing_left,
            w.conversion_id = a.conversion_id AS has_word, w.rejected AS rejected
        FROM audit_earning AS a
        LEFT JOIN taken AS t ON t.conversion_id = a.conversion_id
        LEFT JOIN words AS w ON w.conversion_id = a.conversion_id
    )
SELECT l.* EXCEPT conversion_id, l.conversion_id AS conversion_id, d.conversion_id = l.conversion_id AS earned,
    multiIf(
        l.has_word AND l.rejected, 'rejected',
        l.nothing_left, if(l.refunds_left_nothing, 'refunded', 'charged_back'),
        earned AND NOT l.has_word AND (d.terms.explicit OR l.action = 'lead'), 'pending',
        l.taken > 0, 'partly_refunded',
        'approved'
    ) AS status
FROM limits AS l
LEFT JOIN audit_winners AS d ON d.conversion_id = l.conversion_id;

-- The commission. Unrounded it has 12 places: millionths times parts of a million. It is rounded once, half-even, to
-- the currency's minor unit, which `unit` is in millionths.
CREATE TEMPORARY TABLE audit_commissions ENGINE = MergeTree ORDER BY conversion_id AS
WITH
    (n, d) -> intDiv(n, d) + (2 * (n % d) > d OR (2 * (n % d) = d AND intDiv(n, d) % 2 = 1)) AS half_even,
    priced AS
    (
        SELECT s.* EXCEPT (conversion_id, currency), s.conversion_id AS conversion_id, s.currency AS currency,
            w.terms AS terms, w.contract AS contract, w.campaign AS campaign,
            toInt256(intExp10(6 - if(c.currency = '', 2, c.digits))) AS unit,
            multiIf(
                terms.currency != '' AND terms.currency != s.currency, toInt256(0),
                s.value < 0, toInt256(0),
                terms.flat IS NOT NULL, assumeNotNull(terms.flat) * 1000000,
                s.worth * terms.rate_ppm
            ) AS price,
            greatest(price, ifNull(terms.minimum, 0) * 1000000) AS at_least,
            if(price = 0, price, least(at_least, ifNull(terms.maximum * 1000000, at_least))) AS full,
            multiIf(
                s.nothing_left, toInt256(0),
                s.of_all = 0 OR s.worth = 0, price,
                half_even(price * (s.worth - s.of_all), if(s.worth = 0, 1, s.worth))
            ) AS left_of_price,
            if(full = price, left_of_price, half_even(left_of_price * full, if(price = 0, 1, price))) AS left
        FROM audit_sold AS s
        INNER JOIN audit_winners AS w ON w.conversion_id = s.conversion_id
        LEFT JOIN audit_currencies AS c ON c.currency = s.currency
    )
SELECT *, half_even(full, unit * 1000000) * unit AS full_commission,
    if(status IN ('pending', 'rejected'), toInt256(0), half_even(left, unit * 1000000) * unit) AS commission
FROM priced;

-- By the paying model's credits, in whole minor units; what does not divide goes to the largest remainders, of equal
-- ones to the first publisher by name. The platform's share of each is rounded for itself, the publisher gets the
-- rest.
CREATE TEMPORARY TABLE audit_shares ENGINE = MergeTree ORDER BY conversion_id AS
WITH
    (n, d) -> intDiv(n, d) + (2 * (n % d) > d OR (2 * (n % d) = d AND intDiv(n, d) % 2 = 1)) AS half_even,
    1000000000000 AS one,
    weighed AS
    (
        SELECT c.conversion_id AS conversion_id, r.publisher AS publisher, any(c.currency) AS currency,
            any(c.unit) AS unit, any(c.terms.share_ppm) AS share_ppm, any(intDiv(c.commission, c.unit)) AS units,
            sum(r.credit) AS weight
        FROM audit_commissions AS c
        INNER JOIN audit_credits AS r ON r.conversion_id = c.conversion_id AND r.model = c.terms.model
        GROUP BY conversion_id, publisher
    ),
    parted AS
    (
        SELECT *, intDiv(units * weight, one) AS part, units - sum(part) OVER (PARTITION BY conversion_id) AS rest,
            row_number() OVER (PARTITION BY conversion_id ORDER BY (units * weight) % one DESC, publisher) AS place
        FROM weighed
    )
SELECT conversion_id, publisher, currency, (part + (place <= rest)) * unit AS commission,
    half_even(commission * share_ppm, unit * 1000000) * unit AS platform_fee, commission - platform_fee AS payout
FROM parted;

INSERT INTO audit_not_judged
SELECT DISTINCT w.conversion_id, 'money', 'a publisher''s own contract'
FROM audit_winners AS w INNER JOIN audit_credits AS r ON r.conversion_id = w.conversion_id
WHERE has(w.with_own_terms, r.publisher);
