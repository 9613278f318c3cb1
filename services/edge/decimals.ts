/** Beyond, a score has no six decimals that mean anything. */
const PLAIN_MAX = 1e9
const THREE_DIGITS = Array.from({ length: 1_000 }, (_, value) => String(value).padStart(3, '0'))
/** Without the zeros at their end. */
const LAST_DIGITS = THREE_DIGITS.map((digits) => digits.replace(/0+$/, ''))

/** Scores to six decimals: more is noise of single precision. */
export function rounded(score: number): number {
  return Math.abs(score) < PLAIN_MAX ? Math.round(score * 1e6) / 1e6 : score
}

/**
 * `rounded(score)` as JSON, put together from tables: a list has a hundred scores, and writing out numbers with decimals
 * took a tenth of the time of making it. Never with an exponent below PLAIN_MAX, as in `0.000001`.
 */
export function decimals(score: number): string {
  if (!(Math.abs(score) < PLAIN_MAX)) return String(score)
  const signed = Math.round(score * 1e6)
  const micros = Math.abs(signed)
  const whole = Math.floor(micros / 1e6)
  const fraction = micros - whole * 1e6
  const sign = signed < 0 ? '-' : ''
  if (fraction === 0) return `${sign}${whole}`
  const high = Math.floor(fraction / 1_000)
  const low = fraction - high * 1_000
  const digits = low === 0 ? LAST_DIGITS[high] : `${THREE_DIGITS[high]}${LAST_DIGITS[low]}`
  return `${sign}${whole}.${digits}`
}
