-- The audit, 1 of 7: what the catalog said, from its raw versions.
--
-- All seven files together compute from the tables clicks, events and catalog alone who earns what, and compare it
-- with attributions, decisions, journal and publisher_balances. Nothing of what the processor decided is read before
-- 7; but that a person's command holds is read there from decisions, since commands stand in no table, and only to
-- say `not judged`. They are statements of one session in this order; what they make are temporary tables. Two
-- parameters: tenant ('' for all of them) and quiet_seconds (what came in so recently may not be decided yet). By
-- hand:
--   cat sinks/sql/audit/*.sql | clickhouse-client --database tributary --param_tenant='' --param_quiet_seconds=60 --multiquery
-- and with `SELECT * FROM audit_checks` at the end; in an interactive client the tables stay until it ends.
--
-- A version holds for a reader who had read the catalog up to `offset`, at `time`, where it is the latest in the log of
-- those that are not after either. So each entity has its versions in one list, the latest first.
CREATE TEMPORARY TABLE audit_campaigns ENGINE = MergeTree ORDER BY (tenant, id) AS
SELECT tenant, id, arrayReverseSort(v -> v.offset, groupArray(CAST(
    (
        kafka_offset, toUnixTimestamp64Micro(effective_from), version, JSONExtractString(body, 'advertiser'),
        JSONExtractString(body, 'contract'), JSONExtractInt(body, 'look_back_seconds') * 1000000,
        JSONExtractInt(body, 'minimum_seconds') * 1000000, JSONExtractBool(body, 'active'),
        arrayMap(own -> JSONExtractString(own, 'publisher'), JSONExtractArrayRaw(body, 'publisher_contracts'))
    ),
    'Tuple(offset Int64, effective Int64, version Int32, advertiser String, contract String, look_back Int64,
           minimum Int64, active Bool, with_own_terms Array(String))'
))) AS versions
FROM (SELECT DISTINCT * EXCEPT inserted_at FROM catalog)
WHERE kind = 'campaign' AND ({tenant:String} IN ('', tenant))
GROUP BY tenant, id;

-- Amounts are millionths, rates parts of a million. `unjudged` names the first of its terms that 6 does not recompute.
CREATE TEMPORARY TABLE audit_contracts ENGINE = MergeTree ORDER BY (tenant, id) AS
WITH
    field -> if(JSONType(body, field) = 'Null', NULL, toInt256(toDecimal128(JSONExtractString(body, field), 6) * 1000000))
        AS amount
SELECT tenant, id, arrayReverseSort(v -> v.offset, groupArray(CAST(
    (
        kafka_offset, toUnixTimestamp64Micro(effective_from), version,
        JSONExtractInt(body, 'commission_rate_ppm'), JSONExtractInt(body, 'platform_share_ppm'),
        JSONExtractString(body, 'paying_model'), JSONExtract(body, 'evidence_order', 'Array(String)'),
        JSONExtractString(body, 'currency'), JSONExtractString(body, 'approval') = 'explicit',
        amount('flat'), amount('minimum'), amount('maximum'),
        multiIf(
            JSONType(body, 'fraud') != 'Null', 'rules against fraud',
            notEmpty(JSONExtractArrayRaw(body, 'rates')), 'rates of a contract',
            JSONExtractString(body, 'paying_model') IN ('position', 'time_decay'), 'paid by position or time decay',
            ''
        ),
        notEmpty(JSONExtractArrayRaw(body, 'tiers'))
    ),
    'Tuple(offset Int64, effective Int64, version Int32, rate_ppm Int64, share_ppm Int64, model String,
           evidence Array(String), currency String, explicit Bool, flat Nullable(Int256),
           minimum Nullable(Int256), maximum Nullable(Int256),
           unjudged String, with_tiers Bool)'
))) AS versions
FROM (SELECT DISTINCT * EXCEPT inserted_at FROM catalog)
WHERE kind = 'contract' AND ({tenant:String} IN ('', tenant))
GROUP BY tenant, id;

-- Links and coupons. Without `valid_from` or `valid_until` there is no such end.
CREATE TEMPORARY TABLE audit_codes ENGINE = MergeTree ORDER BY (tenant, kind, id) AS
SELECT tenant, kind, id, arrayReverseSort(v -> v.offset, groupArray(CAST(
    (
        kafka_offset, toUnixTimestamp64Micro(effective_from), version, JSONExtractString(body, 'campaign'),
        JSONExtractString(body, 'publisher'), JSONExtractBool(body, 'active'),
        if(JSONType(body, 'valid_from') = 'Null', -9223372036854775808, JSONExtractInt(body, 'valid_from')),
        if(JSONType(body, 'valid_until') = 'Null', 9223372036854775807, JSONExtractInt(body, 'valid_until'))
    ),
    'Tuple(offset Int64, effective Int64, version Int32, campaign String, publisher String, active Bool,
           from Int64, until Int64)'
))) AS versions
FROM (SELECT DISTINCT * EXCEPT inserted_at FROM catalog)
WHERE kind IN ('link', 'coupon') AND ({tenant:String} IN ('', tenant))
GROUP BY tenant, kind, id;

-- Whom temporary overrides of windows are about, in any version: '' means all. What they touch is not judged.
CREATE TEMPORARY TABLE audit_overrides ENGINE = MergeTree ORDER BY tenant AS
SELECT DISTINCT tenant, JSONExtractString(body, 'campaign') AS campaign,
    JSONExtractString(body, 'publisher') AS publisher
FROM catalog
WHERE kind = 'override' AND ({tenant:String} IN ('', tenant));

-- ISO 4217: how many digits a currency's minor unit has, where it is not 2.
CREATE TEMPORARY TABLE audit_currencies ENGINE = MergeTree ORDER BY currency AS
SELECT arrayJoin(['BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'UYI', 'VND', 'VUV',
    'XAF', 'XOF', 'XPF']) AS currency, 0 AS digits
UNION ALL
SELECT arrayJoin(['BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND']), 3
UNION ALL
SELECT arrayJoin(['CLF', 'UYW']), 4;
