/** Figures in words: short, with a stable width where it can be had. A missing figure is a dash. */

export function milliseconds(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–'
  if (value < 0.95) return '<1 ms'
  if (value < 9.95) return `${value.toFixed(1)} ms`
  return value < 999.5 ? `${Math.round(value)} ms` : `${(value / 1_000).toFixed(1)} s`
}

export function seconds(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–'
  return value < 10 ? `${value.toFixed(1)} s` : `${Math.round(value)} s`
}

export function count(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–'
  return Math.round(value).toLocaleString('en')
}

export function rate(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–'
  return value < 10 ? value.toFixed(1) : count(value)
}

export function percent(share: number | null | undefined): string {
  if (share === null || share === undefined || !Number.isFinite(share)) return '–'
  return `${Math.round(share * 100)} %`
}

export function score(value: number | null | undefined): string {
  return value === null || value === undefined || !Number.isFinite(value) ? '–' : value.toFixed(3)
}

export function ago(at: number | string | null | undefined, now: number): string {
  const time = typeof at === 'string' ? Date.parse(at) : at
  if (time === null || time === undefined || !Number.isFinite(time)) return '–'
  const past = Math.max(0, now - time) / 1_000
  if (past < 60) return 'just now'
  if (past < 3_600) return `${Math.floor(past / 60)} min ago`
  return past < 86_400 ? `${Math.floor(past / 3_600)} h ago` : `${Math.floor(past / 86_400)} d ago`
}
