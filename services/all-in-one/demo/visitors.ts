import type { Film } from './films.ts'
import { drawIndex, type Random, runningSums } from './random.ts'

/** A simulated visitor, labelled so by its id (`sim-001`), with a planted taste. */
export interface Visitor {
  readonly userId: string
  /** Two favourite categories; most of what the visitor does is in them. */
  readonly favourites: readonly [string, string]
  /** A decade the visitor prefers inside the favourites. */
  readonly decade: number
  /** Share of all visits, relative to the others. */
  readonly activity: number
}

export interface Act {
  readonly itemId: string
  readonly type: 'view' | 'click' | 'like' | 'purchase' | 'dislike'
}

/** Films by category, each drawable with its popularity skew. */
export interface Shelves {
  readonly films: ReadonlyMap<string, Film>
  readonly tastes: readonly string[]
  /** Without such films the whole taste, without a taste everything. */
  shelf(taste: string, decade?: number | null): Shelf
}

interface Shelf {
  readonly films: readonly Film[]
  readonly cumulative: Float64Array
}

/** A category is a taste when it holds at least this many films. */
const TASTE_FILMS_MIN = 30
const DECADES = [1980, 1990, 2000] as const
/** Popularity is flattened by this power, so that the long tail is visited too. */
const SKEW = 0.75

export function createShelves(films: readonly Film[]): Shelves {
  const byTaste = new Map<string, Film[]>()
  for (const film of films) {
    for (const taste of [...film.categories, 'anything']) {
      for (const key of [taste, shelfKey(taste, decadeOf(film))]) {
        const shelf = byTaste.get(key)
        if (shelf === undefined) byTaste.set(key, [film])
        else shelf.push(film)
      }
    }
  }
  const shelves = new Map<string, Shelf>()
  for (const [key, members] of byTaste) {
    shelves.set(key, { films: members, cumulative: runningSums(members.map((film) => film.audience ** SKEW)) })
  }
  const everything: Shelf = { films, cumulative: runningSums(films.map((film) => film.audience ** SKEW)) }
  return {
    films: new Map(films.map((film) => [film.itemId, film])),
    tastes: [...new Set(films.flatMap((film) => film.categories))]
      .filter((taste) => (shelves.get(taste)?.films.length ?? 0) >= TASTE_FILMS_MIN)
      .sort(),
    shelf: (taste, decade = null) =>
      (decade === null ? undefined : shelves.get(shelfKey(taste, decade))) ?? shelves.get(taste) ?? everything,
  }
}

export function createVisitors(shelves: Shelves, options: { count: number; random: Random }): readonly Visitor[] {
  const { random } = options
  const digits = Math.max(3, String(options.count).length)
  // Large shelves have more friends, though not in proportion.
  const appeal = runningSums(shelves.tastes.map((taste) => Math.sqrt(shelves.shelf(taste).films.length)))
  return Array.from({ length: options.count }, (_, index) => {
    const first = drawIndex(appeal, random)
    const other = drawIndex(appeal, random)
    const second = other === first ? (first + 1) % shelves.tastes.length : other
    return {
      userId: `sim-${String(index + 1).padStart(digits, '0')}`,
      favourites: [shelves.tastes[first] ?? '', shelves.tastes[second] ?? ''] as const,
      decade: DECADES[Math.floor(random() * DECADES.length)] ?? 2000,
      activity: 0.3 + random() ** 3 * 2,
    }
  })
}

/** How a visitor chooses: mostly from the favourites, there mostly from the decade, rarely anything at all. */
const FAVOURITE_SHARE = 0.88
const FIRST_FAVOURITE_SHARE = 0.6
const DECADE_SHARE = 0.65
/** How often a visitor takes a film from the list on offer, when one suits. */
const FOLLOW_SHARE = 0.2
const DRAWS_MAX = 8

/** What the visitor does next; `recommended` is the list on offer (may be empty), `seen` is left out where possible. */
export function nextAct(
  visitor: Visitor,
  shelves: Shelves,
  situation: { readonly recommended: readonly string[]; readonly seen: ReadonlySet<string>; readonly random: Random },
): Act {
  const { random } = situation
  const offered = random() < FOLLOW_SHARE ? suitable(visitor, shelves, situation) : null
  const film = offered ?? drawFilm(visitor, shelves, situation.seen, random)
  return { itemId: film.itemId, type: actType(isToTaste(visitor, film), random) }
}

export function isToTaste(visitor: Visitor, film: Film): boolean {
  return film.categories.some((category) => visitor.favourites.includes(category))
}

/** One of the offered films that suit, rather from the top of the list; always the first would only echo the model. */
function suitable(
  visitor: Visitor,
  shelves: Shelves,
  { recommended, random }: { readonly recommended: readonly string[]; readonly random: Random },
): Film | null {
  const films = recommended.map((itemId) => shelves.films.get(itemId))
  const suiting = films.filter((film) => film !== undefined && isToTaste(visitor, film))
  return suiting[Math.floor(random() ** 2 * suiting.length)] ?? null
}

function drawFilm(visitor: Visitor, shelves: Shelves, seen: ReadonlySet<string>, random: Random): Film {
  let film = drawOnce(visitor, shelves, random)
  for (let draw = 1; draw < DRAWS_MAX && seen.has(film.itemId); draw++) film = drawOnce(visitor, shelves, random)
  return film
}

function drawOnce(visitor: Visitor, shelves: Shelves, random: Random): Film {
  const taste =
    random() >= FAVOURITE_SHARE
      ? 'anything'
      : random() < FIRST_FAVOURITE_SHARE
        ? visitor.favourites[0]
        : visitor.favourites[1]
  const shelf = shelves.shelf(taste, random() < DECADE_SHARE ? visitor.decade : null)
  const film = shelf.films[drawIndex(shelf.cumulative, random)]
  if (film === undefined) throw new RangeError('the film catalogue is empty')
  return film
}

function actType(toTaste: boolean, random: Random): Act['type'] {
  const roll = random()
  if (!toTaste) return roll < 0.6 ? 'view' : roll < 0.75 ? 'click' : 'dislike'
  if (roll < 0.45) return 'view'
  if (roll < 0.7) return 'click'
  return roll < 0.88 ? 'like' : 'purchase'
}

function decadeOf(film: Film): number {
  const year = Number(film.attributes.year ?? 2000)
  return year < 1990 ? 1980 : year < 2000 ? 1990 : 2000
}

function shelfKey(taste: string, decade: number): string {
  return `${taste} ${decade}`
}
