import type { StoredEvent } from '../../../schemas/interaction.ts'
import { eventOf } from '../event-row.ts'
import type { PopularItem, PopularityQuery } from '../port.ts'
import type { ClickHouseConnection } from './connection.ts'
import { EVENT_COLUMNS } from './rows.ts'

/** Rows of one page of a scan. */
const PAGE_EVENTS = 100_000

/** FINAL everywhere: a repeat that no merge has removed yet must not count for any reader. */
const POPULAR = `WITH (SELECT max(timestamp) FROM events FINAL) AS newest_at
  SELECT item_id, sum({weights:Map(String, Float64)}[type] * exp2((timestamp - newest_at) / {half_life:Float64})) AS score,
    count() AS events
  FROM events FINAL
  WHERE timestamp >= newest_at - {window:Int64} AND mapContains({weights:Map(String, Float64)}, type)
  GROUP BY item_id HAVING score > 0 ORDER BY score DESC, item_id LIMIT {limit:UInt32}`

const POSITIONS = `SELECT concat(topic, '/', toString(partition)) AS place, max(offset) + 1
  FROM events FINAL GROUP BY place ORDER BY place`

const USER_EVENTS = `SELECT ${EVENT_COLUMNS} FROM events FINAL
  WHERE user_id = {user:String} ORDER BY timestamp DESC, event_id LIMIT {limit:UInt32}`

/**
 * The first condition is for the key: the server reads from the user on, in order, and stops when the page is full. One
 * thread, because several would cut the rest of the table into ranges and read far beyond the page.
 */
const SCAN_PAGE = `SELECT ${EVENT_COLUMNS} FROM events FINAL
  WHERE user_id >= {user:String}
    AND (user_id, topic, partition, offset, event_id)
      > ({user:String}, {topic:String}, {partition:UInt32}, {offset:UInt64}, {event:String})
    AND offset < {until:Map(String, UInt64)}[concat(topic, '/', toString(partition))]
  ORDER BY user_id, topic, partition, offset, event_id LIMIT ${PAGE_EVENTS} SETTINGS max_threads = 1`

const FROM_THE_BEGINNING = { user: '', topic: '', partition: 0, offset: 0, event: '' }

export async function countEvents(connection: ClickHouseConnection, signal: AbortSignal): Promise<number> {
  const rows = await connection.rows('count of events', signal, 'SELECT count() FROM events FINAL')
  return rows[0]?.[0] as number
}

export async function readUserEvents(
  connection: ClickHouseConnection,
  user: string,
  limit: number,
  signal: AbortSignal,
): Promise<readonly StoredEvent[]> {
  const rows = await connection.rows("reading a user's events", signal, USER_EVENTS, { user, limit: natural(limit) })
  return rows.map(eventOf)
}

export async function readPositions(
  connection: ClickHouseConnection,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, number>> {
  const rows = await connection.rows('reading positions', signal, POSITIONS)
  return new Map(rows.map(([place, next]) => [place as string, next as number]))
}

export async function readPopular(
  connection: ClickHouseConnection,
  query: PopularityQuery,
  signal: AbortSignal,
): Promise<readonly PopularItem[]> {
  const weights = new Map(Object.entries(query.weights).filter(([, weight]) => weight > 0))
  if (weights.size === 0) return []
  const rows = await connection.rows('reading popular items', signal, POPULAR, {
    weights,
    half_life: query.halfLifeMs,
    window: query.windowMs === null ? Number.MAX_SAFE_INTEGER : Math.ceil(query.windowMs),
    limit: natural(query.limit),
  })
  return rows.map(([itemId, score, events]) => ({
    itemId: itemId as string,
    score: score as number,
    events: events as number,
  }))
}

/**
 * Events below the position vector, by user, then topic, partition and offset. Page by page, each a request of its own
 * that begins after the last event: bounded at the server, and what is below the vector does not change between two pages.
 */
export async function* scanEvents(
  connection: ClickHouseConnection,
  until: ReadonlyMap<string, number>,
  batchEventsMax: number,
  signal: AbortSignal,
): AsyncIterable<readonly StoredEvent[]> {
  if (until.size === 0) return
  let batch: StoredEvent[] = []
  let after = FROM_THE_BEGINNING
  for (let rows = PAGE_EVENTS; rows === PAGE_EVENTS; ) {
    rows = 0
    for await (const piece of connection.pieces('scan by user', signal, SCAN_PAGE, { ...after, until })) {
      rows += piece.length
      for (const event of piece.map(eventOf)) {
        after = placeOf(event)
        batch.push(event)
        if (batch.length < batchEventsMax) continue
        yield batch
        batch = []
      }
    }
  }
  if (batch.length > 0) yield batch
}

function placeOf({ userId, topic, partition, offset, eventId }: StoredEvent): typeof FROM_THE_BEGINNING {
  return { user: userId, topic, partition, offset, event: eventId }
}

function natural(limit: number): number {
  return Math.max(0, Math.min(Math.trunc(limit), 4_294_967_295))
}
