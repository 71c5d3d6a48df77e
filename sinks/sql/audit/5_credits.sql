-- The audit, 5 of 7: the credits of the last, the first and the linear model; 12 decimals that sum to 1.
--
-- Evidence without a click is one synthetic touch at the conversion's time, and has all the credit under every model.
CREATE TEMPORARY TABLE audit_credits ENGINE = MergeTree ORDER BY conversion_id AS
WITH
    earning AS
    (
        SELECT w.conversion_id AS conversion_id, toNullable(t.click_id) AS click_id, t.clicked AS touched,
            t.campaign AS campaign, t.publisher AS publisher, t.link AS link
        FROM audit_winners AS w
        INNER JOIN audit_touches AS t ON t.conversion_id = w.conversion_id AND t.journey_id = w.journey_id
        WHERE w.is_journey AND t.eligible
        UNION ALL
        SELECT w.conversion_id, NULL, a.occurred, w.campaign, w.publisher, w.link
        FROM audit_winners AS w INNER JOIN audit_earning AS a ON a.conversion_id = w.conversion_id
        WHERE NOT w.is_journey
    ),
    placed AS
    (
        SELECT *,
            row_number() OVER (PARTITION BY conversion_id ORDER BY touched, toString(click_id)) AS place,
            count() OVER (PARTITION BY conversion_id) AS places
        FROM earning
    ),
    1000000000000 AS one
SELECT conversion_id, model, click_id, touched, campaign, publisher, link,
    toInt256(multiIf(
        model = 'last', if(place = places, one, 0),
        model = 'first', if(place = 1, one, 0),
        -- What does not divide goes to the earliest.
        intDiv(one, places) + (place <= one % places)
    )) AS credit
FROM placed ARRAY JOIN ['last', 'first', 'linear'] AS model
WHERE credit > 0;
