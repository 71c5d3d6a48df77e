-- What each publisher has earned and not been paid: credits on the publisher's accounts. Settlement's own postings
-- stand in the same journal, so this stays right when payouts begin.
CREATE OR REPLACE VIEW publisher_balances AS
SELECT
    tenant,
    publisher,
    currency,
    -sum(amount) AS held,
    uniqExact(conversion_id) AS conversions
-- An entry is one entry however often it stands in the topic: its id is a function of what it books.
FROM (SELECT * FROM journal LIMIT 1 BY entry_id, posting)
WHERE account_kind = 'publisher'
GROUP BY tenant, publisher, currency
