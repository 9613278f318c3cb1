import { expect, test } from 'vitest'
import { isId } from '../../schemas/identifiers.ts'
import { loadFilms, parseFilms } from '../../services/all-in-one/demo/films.ts'
import { simulatePast } from '../../services/all-in-one/demo/past.ts'
import { seededRandom } from '../../services/all-in-one/demo/random.ts'
import { createShelves, createVisitors, isToTaste, nextAct } from '../../services/all-in-one/demo/visitors.ts'

const films = await loadFilms()
const shelves = createShelves(films)
const NOW = Date.UTC(2026, 0, 15)

function past(seed: number, count = 4_000) {
  const random = seededRandom(seed)
  const visitors = createVisitors(shelves, { count: 100, random })
  return { visitors, events: simulatePast(visitors, shelves, { count, days: 42, now: NOW, random }) }
}

test('the film catalogue has about 3,190 films, each with a valid and unique id and a title', () => {
  expect(films.length).toBeGreaterThan(3_100)
  expect(new Set(films.map((film) => film.itemId)).size).toBe(films.length)
  for (const film of films) {
    expect(isId(film.itemId), film.itemId).toBe(true)
    expect(film.title.length).toBeGreaterThan(0)
  }
  expect(films.find((film) => film.itemId === 'toy-story-1995')).toMatchObject({
    title: 'Toy Story',
    categories: ['Adventure', 'Kids Fiction'],
    attributes: { year: '1995', director: 'John Lasseter' },
  })
})

test('titles with broken accents, swapped articles and years of the wrong century are repaired', () => {
  const titles = new Set(films.map((film) => film.title))
  expect(titles).toContain('Léon')
  expect(titles).toContain('The Naked Gun 2½: The Smell of Fear')
  expect(titles).toContain('The Charge of the Light Brigade')
  expect(films.find((film) => film.title === 'Gone with the Wind')?.attributes.year).toBe('1939')
})

test('rows without a title are dropped and repeated films kept once', () => {
  const row = { Title: 'Crash', 'Release Date': 'May 06 2005', 'Major Genre': 'Drama' }
  expect(parseFilms([row, row, { Title: null }, { Title: '  ' }]).map((film) => film.itemId)).toEqual(['crash-2005'])
  expect(() => parseFilms({})).toThrow(/not a list/)
})

test('the same seed gives the same visitors and the same past', () => {
  expect(past(7)).toEqual(past(7))
  expect(past(7).events).not.toEqual(past(8).events)
})

test('visitors mostly stay within their planted tastes and dislike only outside of them', () => {
  const { visitors, events } = past(11)
  const byId = new Map(visitors.map((visitor) => [visitor.userId, visitor]))
  let toTaste = 0
  for (const event of events) {
    const visitor = byId.get(event.userId)
    const film = shelves.films.get(event.itemId)
    if (visitor === undefined || film === undefined) throw new Error(`unknown ${event.userId} or ${event.itemId}`)
    if (isToTaste(visitor, film)) toTaste++
    if (event.type === 'dislike') expect(isToTaste(visitor, film)).toBe(false)
  }
  expect(events).toHaveLength(4_000)
  expect(toTaste / events.length).toBeGreaterThan(0.8)
})

test('the planted first favourite can be recovered from what an active visitor did', () => {
  const { visitors, events } = past(13, 10_000)
  let recovered = 0
  for (const visitor of visitors) {
    const counts = new Map<string, number>()
    for (const event of events.filter(({ userId }) => userId === visitor.userId)) {
      for (const category of shelves.films.get(event.itemId)?.categories ?? []) {
        counts.set(category, (counts.get(category) ?? 0) + 1)
      }
    }
    const top = [...counts].sort((a, b) => b[1] - a[1]).slice(0, 3)
    if (top.some(([category]) => category === visitor.favourites[0])) recovered++
  }
  expect(recovered).toBeGreaterThan(visitors.length * 0.9)
})

test('the past is in order of time, ends now, covers six weeks and every event has its own id', () => {
  const { events, visitors } = past(17)
  const times = events.map((event) => Date.parse(event.timestamp ?? ''))
  expect(times).toEqual([...times].sort((a, b) => a - b))
  expect(times.at(-1)).toBeLessThanOrEqual(NOW)
  expect(NOW - (times[0] ?? 0)).toBeGreaterThan(41 * 86_400_000)
  expect(new Set(events.map((event) => event.eventId)).size).toBe(events.length)
  expect(new Set(events.map((event) => event.userId)).size).toBe(visitors.length)
})

test('a visitor who is offered a film to its taste often takes it', () => {
  const random = seededRandom(19)
  const [visitor] = createVisitors(shelves, { count: 1, random })
  if (visitor === undefined) throw new Error('no visitor')
  const offer = films.find((film) => isToTaste(visitor, film) && film.audience < 1_000)
  if (offer === undefined) throw new Error('no film to offer')
  const situation = { recommended: [offer.itemId], seen: new Set<string>(), random }
  const taken = Array.from({ length: 500 }, () => nextAct(visitor, shelves, situation)).filter(
    (act) => act.itemId === offer.itemId,
  )
  expect(taken.length).toBeGreaterThan(70)
})
