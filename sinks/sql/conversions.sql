-- The current decision of every conversion. An event that belongs to an order is counted with the order.
CREATE OR REPLACE VIEW conversions AS
SELECT
    d.tenant AS tenant,
    d.advertiser AS advertiser,
    d.conversion_id AS conversion_id,
    max(d.revision) AS revision,
    argMax(d.campaign, d.revision) AS campaign,
    argMax(d.event_id, d.revision) AS event_id,
    argMax(d.order_id, d.revision) AS order_id,
    argMax(d.action, d.revision) AS action,
    argMax(d.outcome, d.revision) AS outcome,
    argMax(d.reason, d.revision) AS reason,
    argMax(d.reason_value, d.revision) AS reason_value,
    argMax(d.occurred_at, d.revision) AS occurred_at,
    argMax(d.received_at, d.revision) AS received_at,
    argMax(d.value, d.revision) AS value,
    argMax(d.currency, d.revision) AS currency,
    argMax(d.contract, d.revision) AS contract,
    -- In a tuple, because argMax alone passes over a NULL.
    argMax(tuple(d.contract_version), d.revision).1 AS contract_version,
    argMax(d.paying_model, d.revision) AS paying_model,
    argMax(d.commission, d.revision) AS commission,
    argMax(d.payout, d.revision) AS payout,
    argMax(d.platform_fee, d.revision) AS platform_fee,
    CAST(
        argMax(arrayZip(d.shares.publisher, d.shares.commission, d.shares.payout, d.shares.platform_fee), d.revision),
        'Array(Tuple(publisher String, commission Decimal(38, 6), payout Decimal(38, 6), platform_fee Decimal(38, 6)))'
    ) AS shares,
    argMax(d.arithmetic, d.revision) AS arithmetic,
    argMax(d.status, d.revision) AS status,
    argMax(d.full_commission, d.revision) AS full_commission,
    argMax(d.refunded, d.revision) AS refunded,
    argMax(d.charged_back, d.revision) AS charged_back
FROM decisions AS d
GROUP BY d.tenant, d.advertiser, d.conversion_id
HAVING outcome != 'same_as_order'
