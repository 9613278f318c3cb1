import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { MillraceError } from '../../../schemas/errors.ts'

/** One film of the demo catalogue, ready for `POST /api/v1/items`. */
export interface Film {
  /** ASCII slug of title and year, e.g. `toy-story-1995`; unique. */
  readonly itemId: string
  readonly title: string
  /** Genre first, then the kind of story where it is a taste of its own (science fiction, fantasy, ...). May be empty. */
  readonly categories: readonly string[]
  readonly attributes: Readonly<Record<string, string>>
  /** How many people rated the film; at least 1. Only the simulation reads it. */
  readonly audience: number
}

/** Reads the film titles that npm `vega-datasets` carries (BSD-3). @throws MillraceError CORRUPT_FILE. */
export async function loadFilms(): Promise<readonly Film[]> {
  const entry = fileURLToPath(import.meta.resolve('vega-datasets'))
  const file = join(dirname(dirname(entry)), 'data', 'movies.json')
  try {
    return parseFilms(JSON.parse(await readFile(file, 'utf8')))
  } catch (cause) {
    throw new MillraceError('CORRUPT_FILE', `${file} holds no film catalogue; run "npm ci" to install it again`, {
      cause,
      field: file,
    })
  }
}

/** Rows without a title are dropped; of rows with the same title and year the first is kept. */
export function parseFilms(rows: unknown): readonly Film[] {
  if (!Array.isArray(rows)) throw new TypeError('the film data is not a list')
  const films = new Map<string, Film>()
  for (const row of rows) {
    const film = filmOf(row as Record<string, unknown>)
    if (film !== null && !films.has(film.itemId)) films.set(film.itemId, film)
  }
  return [...films.values()]
}

/** Kinds of story that say more about a taste than the genre alone. */
const STORY_CATEGORIES = new Set(['Science Fiction', 'Fantasy', 'Super Hero', 'Kids Fiction', 'Historical Fiction'])

function filmOf(row: Record<string, unknown>): Film | null {
  if (row.Title === null || row.Title === undefined) return null
  const title = articleFirst(repairAccents(String(row.Title).trim()))
  if (title === '') return null
  const year = yearOf(row['Release Date'])
  const slug = slugOf(title)
  if (slug === '') return null
  const attributes: Record<string, string> = {}
  if (year !== null) attributes.year = String(year)
  if (typeof row.Director === 'string') attributes.director = repairAccents(row.Director)
  return {
    itemId: year === null ? slug : `${slug}-${year}`,
    title: title.replace(/ \(\d{4}\)$/, ''),
    categories: categoriesOf(row),
    attributes,
    audience: Math.max(1, Number(row['IMDB Votes']) || 0),
  }
}

function categoriesOf(row: Record<string, unknown>): readonly string[] {
  const genre = row['Major Genre']
  const story = row['Creative Type']
  const categories = typeof genre === 'string' ? [genre.replace('/', ' & ')] : []
  if (typeof story === 'string' && STORY_CATEGORIES.has(story)) categories.push(story)
  return categories
}

/** The data has two-digit years expanded to this century: 1939 came out as 2039. It ends in 2011. */
function yearOf(releaseDate: unknown): number | null {
  const year = Number(/(\d{4})$/.exec(String(releaseDate))?.[1])
  if (!Number.isInteger(year) || year < 1900) return null
  return year > 2012 ? year - 100 : year
}

function articleFirst(title: string): string {
  return title.replace(/^(.+), (The|A|An)$/, '$2 $1')
}

function slugOf(title: string): string {
  return title
    .normalize('NFKD')
    .replaceAll(/[\u0300-\u036f'’]/g, '')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, 100)
}

/** Mac Roman's characters for bytes 0x80 to 0xff where a title holds one; each stands for the Latin-1 byte. */
const MAC_ROMAN =
  'ÄÅÇÉÑÖÜáàâäãåçéèêëíìîïñóòôöõúùûü†°¢£§•¶ß®©™´¨≠ÆØ∞±≤≥¥µ∂∑∏π∫ªºΩæø¿¡¬√ƒ≈∆«»…\u00a0ÀÃÕŒœ–—“”‘’÷◊ÿŸ⁄€‹›ﬁﬂ‡·‚„‰ÂÊÁËÈÍÎÏÌÓÔ\uf8ffÒÚÛÙıˆ˜¯˘˙˚¸˝˛ˇ'

/** The data was Latin-1 read as Mac Roman ("LÈon"): maps each character back to its byte and reads that rightly ("Léon"). */
function repairAccents(text: string): string {
  const latin = new TextDecoder('windows-1252')
  return [...text]
    .map((character) => {
      const index = character > '\u007f' ? MAC_ROMAN.indexOf(character) : -1
      return index < 0 ? character : latin.decode(Uint8Array.of(0x80 + index))
    })
    .join('')
}
