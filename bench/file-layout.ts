/** How the lines of an interaction file are read. */
export interface FileLayout {
  /** Between the fields of a row; null where a line is a user and all of its items, with white space between them. */
  readonly separator: string | null
  readonly header: boolean
}

/** Lines that are looked at. */
const LOOKED_AT = 100
const SEPARATORS = [',', '\t', ';', '::'] as const
/** What the first column may be called. */
const NAMED = /^(uid|(user|visitor|customer|reviewer|member|session)([ _-]?(id|name))?)$/i

/**
 * Told by the first lines; null where there is none. Rows have a separator that occurs in every line, and two to four
 * fields each; where tabs stand between the fields, all lines have as many (users with ever other numbers of items do not).
 */
export function layoutOf(lines: readonly string[]): FileLayout | null {
  const shown = lines.filter((line) => line.trim() !== '').slice(0, LOOKED_AT)
  const [first, second] = shown
  if (first === undefined) return null
  const separator = SEPARATORS.find((candidate) => separates(candidate, shown)) ?? null
  if (separator === null) return { separator, header: false }
  return { separator, header: isHeader(fieldsOf(first, separator), second ? fieldsOf(second, separator) : []) }
}

function separates(separator: string, lines: readonly string[]): boolean {
  if (separator === ',') return lines[0]!.includes(separator)
  const counts = new Set(lines.map((line) => line.trim().split(separator).length))
  const [count = 0] = counts
  return counts.size === 1 && count >= 2 && (separator !== '\t' || count <= 4)
}

/** Named columns, or words above numbers. */
function isHeader(first: readonly string[], second: readonly string[]): boolean {
  if (NAMED.test(first[0]!)) return true
  const isNumber = (field: string | undefined) => field !== undefined && field !== '' && !Number.isNaN(Number(field))
  const weight = first[2]
  if (weight !== undefined && weight !== '' && !isNumber(weight)) return true
  return !first.some(isNumber) && isNumber(second[0]) && isNumber(second[1])
}

/** Trimmed, without the quotes around a field; a separator between quotes separates nothing. */
export function fieldsOf(line: string, separator: string): string[] {
  if (!line.includes('"')) return line.split(separator).map((field) => field.trim())
  const fields: string[] = []
  let from = 0
  let quoted = false
  for (let at = 0; at <= line.length; at++) {
    // Only what begins with a quote is quoted; an id may hold one.
    if (line[at] === '"' && (quoted || line.slice(from, at).trim() === '')) quoted = !quoted
    if (at < line.length && (quoted || !line.startsWith(separator, at))) continue
    fields.push(unquoted(line.slice(from, at).trim()))
    from = at + separator.length
    at = from - 1
  }
  return fields
}

function unquoted(field: string): string {
  const inside = /^"(.*)"$/s.exec(field)?.[1]
  return inside === undefined ? field : inside.replaceAll('""', '"')
}
