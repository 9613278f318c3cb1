import { DOUBLE, type DuckDBConnection, LIST, listValue, VARCHAR } from '@duckdb/node-api'
import type { StoredEvent } from '../../../schemas/interaction.ts'
import type { PopularItem, PopularityQuery } from '../port.ts'
import { EVENT_COLUMNS, eventsOf } from './rows.ts'

const POPULAR = `WITH newest AS (SELECT max("timestamp") AS newest_at FROM events),
  weights AS (SELECT unnest($types) AS type, unnest($weights) AS weight)
  SELECT item_id, sum(weight * pow(2.0, ("timestamp" - newest_at) / $half_life)) AS score, count(*)::DOUBLE
  FROM events JOIN weights USING (type) CROSS JOIN newest
  WHERE "timestamp" >= newest_at - $window
  GROUP BY item_id HAVING score > 0 ORDER BY score DESC, item_id LIMIT $limit`

export async function countEvents(connection: DuckDBConnection): Promise<number> {
  const result = await connection.runAndReadAll('SELECT count(*)::DOUBLE FROM events')
  return Number(result.getRowsJS()[0]?.[0] ?? 0)
}

export async function readUserEvents(
  connection: DuckDBConnection,
  userId: string,
  limit: number,
): Promise<readonly StoredEvent[]> {
  const result = await connection.run(
    `SELECT ${EVENT_COLUMNS} FROM events WHERE user_id = $user ORDER BY events."timestamp" DESC, event_id LIMIT $limit`,
    { user: userId, limit: Math.max(0, Math.trunc(limit)) },
  )
  return (await result.fetchAllChunks()).flatMap(eventsOf)
}

export async function readPositions(connection: DuckDBConnection): Promise<ReadonlyMap<string, number>> {
  const result = await connection.runAndReadAll(
    `SELECT topic || '/' || "partition", next_offset::DOUBLE FROM positions ORDER BY ALL`,
  )
  return new Map(result.getRowsJS().map(([key, next]) => [key as string, next as number]))
}

export async function readPopular(
  connection: DuckDBConnection,
  query: PopularityQuery,
): Promise<readonly PopularItem[]> {
  const weights = Object.entries(query.weights).filter(([, weight]) => weight > 0)
  if (weights.length === 0) return []
  const result = await connection.runAndReadAll(
    POPULAR,
    {
      types: listValue(weights.map(([type]) => type)),
      weights: listValue(weights.map(([, weight]) => weight)),
      half_life: query.halfLifeMs,
      window: query.windowMs ?? Number.MAX_SAFE_INTEGER,
      limit: Math.max(0, Math.trunc(query.limit)),
    },
    { types: LIST(VARCHAR), weights: LIST(DOUBLE), half_life: DOUBLE, window: DOUBLE },
  )
  return result
    .getRowsJS()
    .map(([itemId, score, events]) => ({ itemId: itemId as string, score: score as number, events: events as number }))
}

/** Events below the position vector, by user, then topic, partition and offset. */
export async function* scanEvents(
  connection: DuckDBConnection,
  until: ReadonlyMap<string, number>,
  batchEventsMax: number,
): AsyncIterable<readonly StoredEvent[]> {
  if (until.size === 0) return
  const result = await connection.stream(
    `WITH bound AS (SELECT unnest($keys) AS key, unnest($nexts) AS next)
      SELECT ${EVENT_COLUMNS} FROM events JOIN bound ON key = topic || '/' || "partition" AND events."offset" < next
      ORDER BY user_id, topic, "partition", events."offset"`,
    { keys: listValue([...until.keys()]), nexts: listValue([...until.values()]) },
    { keys: LIST(VARCHAR), nexts: LIST(DOUBLE) },
  )
  let batch: StoredEvent[] = []
  for await (const chunk of result) {
    for (const event of eventsOf(chunk)) {
      batch.push(event)
      if (batch.length >= batchEventsMax) {
        yield batch
        batch = []
      }
    }
  }
  if (batch.length > 0) yield batch
}
