-- Exactly once, seen from the tables: every row came from a place of its own in Kafka, so doubled is 0 everywhere.
SELECT * FROM
(
    SELECT 'clicks' AS table, count() AS rows, uniqExact(kafka_partition, kafka_offset) AS places, rows - places AS doubled FROM clicks
    UNION ALL
    SELECT 'rejected' AS table, count() AS rows, uniqExact(kafka_partition, kafka_offset) AS places, rows - places AS doubled FROM rejected
    UNION ALL
    SELECT 'events' AS table, count() AS rows, uniqExact(kafka_partition, kafka_offset) AS places, rows - places AS doubled FROM events
    UNION ALL
    SELECT 'decisions' AS table, count() AS rows, uniqExact(kafka_partition, kafka_offset) AS places, rows - places AS doubled FROM decisions
    UNION ALL
    SELECT 'attributions' AS table, count() AS rows, uniqExact(kafka_partition, kafka_offset, kafka_row) AS places, rows - places AS doubled FROM attributions
    UNION ALL
    SELECT 'journal' AS table, count() AS rows, uniqExact(kafka_partition, kafka_offset, posting) AS places, rows - places AS doubled FROM journal
    UNION ALL
    SELECT 'catalog' AS table, count() AS rows, uniqExact(kafka_partition, kafka_offset) AS places, rows - places AS doubled FROM catalog
    UNION ALL
    SELECT 'dead_letters' AS table, count() AS rows, uniqExact(kafka_partition, kafka_offset) AS places, rows - places AS doubled FROM dead_letters
)
ORDER BY table
