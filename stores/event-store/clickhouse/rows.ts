/** Columns of `events` in the order that `eventOf` reads. */
export const EVENT_COLUMNS = `user_id, event_id, item_id, type, operation, timestamp, value, request_id, context,
  topic, partition, offset, appended_at`
