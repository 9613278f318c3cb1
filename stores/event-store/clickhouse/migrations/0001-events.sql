-- One row per delivery; readers see one row per identity (user_id, event_id).
--
-- ReplacingMergeTree keeps, of the rows with equal sorting key, the one with the largest `precedence`. That number falls
-- as the server's clock rises, so the first delivery stays and a repeat changes nothing, at once for readers with FINAL
-- and for good with the next merge. It is the server's clock and not the log's: whatever a reader has seen once stays.
--
-- ORDER BY (user_id, event_id) is therefore the identity itself. It also answers a user's events and the scan by user
-- from neighbouring rows. Merges never cross partitions and an insert into several of them is not atomic, so there is no
-- PARTITION BY: neither by event time, where a late copy of an event would live on, nor by append time, where a
-- redelivery would.
--
-- Reads by time cannot use the key. Merges grow in tiers, so old events rest in large parts that are left alone and
-- recent ones in small parts: the minmax index on `timestamp` skips the old. A projection would be quicker but is not
-- used together with FINAL, and a table of its own would count a repeat twice.
--
-- Times are epoch milliseconds in Int64: exact, and free of the formats' guesses at what a whole number means as a
-- DateTime64. `occurred` is there for people.
--
-- fsync_*: an acknowledged insert survives a power cut, not only a killed server. The default answers from the page cache.
-- non_replicated_deduplication_window: a repeated batch of the same bytes is not even written. It saves space, no more:
-- the window is short, and batches are cut differently after a restart.
CREATE TABLE IF NOT EXISTS events
(
  user_id String CODEC(ZSTD(1)),
  event_id String CODEC(ZSTD(1)),
  item_id String CODEC(ZSTD(1)),
  type LowCardinality(String),
  operation LowCardinality(String),
  timestamp Int64 CODEC(Delta, ZSTD(1)),
  value Nullable(Float64) CODEC(ZSTD(1)),
  request_id Nullable(String) CODEC(ZSTD(1)),
  context Nullable(String) CODEC(ZSTD(1)),
  topic LowCardinality(String),
  partition UInt32 CODEC(T64, ZSTD(1)),
  offset UInt64 CODEC(Delta, ZSTD(1)),
  appended_at Int64 CODEC(Delta, ZSTD(1)),
  precedence UInt64 DEFAULT 18446744073709551615 - toUInt64(toUnixTimestamp64Nano(now64(9))) CODEC(Delta, ZSTD(1)),
  occurred DateTime64(3, 'UTC') ALIAS fromUnixTimestamp64Milli(timestamp, 'UTC'),
  INDEX by_time timestamp TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(precedence)
ORDER BY (user_id, event_id)
TTL toDateTime(intDiv(appended_at, 1000)) + toIntervalDay(3650)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1,
  non_replicated_deduplication_window = 100;
