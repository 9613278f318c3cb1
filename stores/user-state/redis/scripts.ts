import { createHash } from 'node:crypto'
import { PARTITION_FIELD } from './applied-fields.ts'

/** A Lua script: it compares and writes, and computes nothing else. `sha` is how the server knows it. */
export interface Script {
  readonly text: string
  readonly sha: string
}

export interface Scripts {
  readonly swap: Script
  readonly putList: Script
  readonly begin: Script
  readonly adopt: Script
  readonly setMeta: Script
}

/** Head of a record: version, then revision and events as varints. */
const HEAD = `
local function varint(text, at)
  local value, factor = 0, 1
  while true do
    local byte = string.byte(text, at)
    at = at + 1
    if byte < 128 then return value + byte * factor, at end
    value = value + (byte - 128) * factor
    factor = factor * 128
  end
end
local function head(text)
  if not text then return 0, 0 end
  local revision, at = varint(text, 2)
  return revision, (varint(text, at))
end`

export function createScripts(): Scripts {
  return {
    swap: scriptOf(SWAP),
    putList: scriptOf(PUT_LIST),
    begin: scriptOf(BEGIN),
    adopt: scriptOf(ADOPT),
    setMeta: scriptOf(SET_META),
  }
}

/**
 * Compare-and-set of some users of one shard, with the sum of their events, and an end to their lists.
 * KEYS shard, users, then the lists of each user. ARGV generation, then user id, expected revision, record of each.
 * Returns 1 or 0 per user, or the shard's generation ('' for none) where that is another one; then nothing has changed.
 */
const SWAP = `${HEAD}
local generation = redis.call('HGET', KEYS[1], 'generation')
if generation ~= ARGV[1] then return generation or '' end
local results, added = {}, 0
for index = 1, #KEYS - 2 do
  local id, expected, record = ARGV[index * 3 - 1], tonumber(ARGV[index * 3]), ARGV[index * 3 + 1]
  local revision, events = head(redis.call('HGET', KEYS[2], id))
  if revision == expected then
    redis.call('HSET', KEYS[2], id, record)
    redis.call('UNLINK', KEYS[index + 2])
    local _, eventsNow = head(record)
    added = added + eventsNow - events
    results[index] = 1
  else
    results[index] = 0
  end
end
if added ~= 0 then redis.call('HINCRBY', KEYS[1], 'events', string.format('%.0f', added)) end
return results`

/**
 * Stores a list while the user's revision is the list's.
 * KEYS shard, users, lists. ARGV generation, user id, revision, scenario, list, time to live in ms, scenarios at most.
 */
const PUT_LIST = `${HEAD}
local generation = redis.call('HGET', KEYS[1], 'generation')
if generation and generation ~= ARGV[1] then return 0 end
local revision = head(redis.call('HGET', KEYS[2], ARGV[2]))
if revision ~= tonumber(ARGV[3]) then return 0 end
local ttl = math.max(redis.call('PTTL', KEYS[3]), tonumber(ARGV[6]))
local full = redis.call('HLEN', KEYS[3]) >= tonumber(ARGV[7])
if full and redis.call('HEXISTS', KEYS[3], ARGV[4]) == 0 then redis.call('DEL', KEYS[3]) end
redis.call('HSET', KEYS[3], ARGV[4], ARGV[5])
redis.call('PEXPIRE', KEYS[3], string.format('%.0f', ttl))
return 1`

/**
 * Begins a generation: where there is none (ARGV[2] = 'none'), where it is still ARGV[2], or in any case ('any').
 * It is later than the one before and not before the server's time, so that it is new after a flush too.
 * KEYS generation, applied. ARGV milliseconds, condition. Returns the generation that holds, and 1 where it is new.
 */
const BEGIN = `
local old = redis.call('GET', KEYS[1])
if ARGV[2] == 'none' and old then return {old, 0} end
if ARGV[2] ~= 'none' and ARGV[2] ~= 'any' and old ~= ARGV[2] then return {old or '', 0} end
local new = string.format('%.0f', math.max(tonumber(old or 0) + 1, tonumber(ARGV[1])))
redis.call('SET', KEYS[1], new)
redis.call('DEL', KEYS[2])
return {new, 1}`

/** Takes an empty shard into a generation and forgets what it held. KEYS shard, old users. ARGV old generation, new one. */
const ADOPT = `
if (redis.call('HGET', KEYS[1], 'generation') or '') ~= ARGV[1] then return 0 end
redis.call('UNLINK', KEYS[2])
redis.call('HSET', KEYS[1], 'generation', ARGV[2], 'events', 0)
return 1`

/**
 * Sets fields beside the generation: offsets only upwards unless ARGV[2] = 'lower'.
 * KEYS generation, applied. ARGV generation, mode, then of each field its name, its value, and what it must not have
 * fallen below ('' for nothing).
 * Tells the channel named like KEYS[2]: generation, then name and value of each partition that has changed.
 * Returns 1. Where another generation holds, that ('' for none); where a field has fallen, its name, what it is and what
 * it was to be; then nothing has changed.
 */
const SET_META = `
local generation = redis.call('GET', KEYS[1])
if generation ~= ARGV[1] then return generation or '' end
for index = 3, #ARGV, 3 do
  if ARGV[index + 2] ~= '' then
    local found = redis.call('HGET', KEYS[2], ARGV[index]) or '0'
    if tonumber(found) < tonumber(ARGV[index + 2]) then return {ARGV[index], found, ARGV[index + 2]} end
  end
end
local news = {ARGV[1]}
for index = 3, #ARGV, 3 do
  local old = ARGV[2] == 'raise' and redis.call('HGET', KEYS[2], ARGV[index])
  if not old or tonumber(old) < tonumber(ARGV[index + 1]) then
    redis.call('HSET', KEYS[2], ARGV[index], ARGV[index + 1])
    if string.sub(ARGV[index], 1, ${PARTITION_FIELD.length}) == '${PARTITION_FIELD}' then
      news[#news + 1] = ARGV[index]
      news[#news + 1] = ARGV[index + 1]
    end
  end
end
if #news > 1 then redis.call('PUBLISH', KEYS[2], table.concat(news, ' ')) end
return 1`

function scriptOf(text: string): Script {
  return { text, sha: createHash('sha1').update(text).digest('hex') }
}
