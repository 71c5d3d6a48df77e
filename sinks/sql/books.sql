-- P5: debits equal credits, so difference is 0 everywhere.
CREATE OR REPLACE VIEW books AS
SELECT
    tenant,
    currency,
    sumIf(amount, amount > 0) AS debits,
    -sumIf(amount, amount < 0) AS credits,
    sum(amount) AS difference,
    uniqExact(entry_id) AS entries
FROM (SELECT * FROM journal LIMIT 1 BY entry_id, posting)
GROUP BY tenant, currency
