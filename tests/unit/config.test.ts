import { readFileSync } from 'node:fs'
import { parseEnv } from 'node:util'
import { expect, test } from 'vitest'
import { loadConfig } from '../../schemas/config.ts'
import { parseEventWeights, Settings } from '../../schemas/settings.ts'

test('defaults fill what the environment leaves out, and text becomes numbers', () => {
  const settings = loadConfig(Settings, { PORT: '8080', HALF_LIFE_DAYS: '30.5', UNRELATED: 'x' })
  expect(settings).toMatchObject({ PORT: 8080, HALF_LIFE_DAYS: 30.5, HOST: '127.0.0.1', PARTITIONS: 8 })
  expect(settings).not.toHaveProperty('UNRELATED')
})

test('every problem is reported at once, with the value that was given', () => {
  expect(() => loadConfig(Settings, { PORT: '99999', PARTITIONS: 'many', LOG_LEVEL: 'loud' })).toThrowError(
    expect.objectContaining({
      code: 'CONFIG_INVALID',
      message: expect.stringMatching(/PORT.*99999[\s\S]*PARTITIONS.*many[\s\S]*LOG_LEVEL.*loud/),
    }),
  )
})

test.each(['view', 'view:', 'view:x', 'view:0', 'View:1', 'view:Infinity', ''])(
  'event weights "%s" are refused',
  (text) => {
    expect(() => parseEventWeights({ EVENT_WEIGHTS: text, VALUE_SCALED_TYPES: '' })).toThrowError(
      expect.objectContaining({ code: 'CONFIG_INVALID' }),
    )
  },
)

test('event weights accept custom types and name a value-scaled type that has no weight', () => {
  const parsed = parseEventWeights({ EVENT_WEIGHTS: 'listen:0.5,rating:1', VALUE_SCALED_TYPES: 'rating' })
  expect(parsed).toEqual({ weights: { listen: 0.5, rating: 1 }, valueScaledTypes: new Set(['rating']) })
  expect(() => parseEventWeights({ EVENT_WEIGHTS: 'view:1', VALUE_SCALED_TYPES: 'stars' })).toThrowError(/stars/)
})

test('.env.example shows every setting with its default', () => {
  const example = parseEnv(readFileSync('.env.example', 'utf8'))
  const defaults = loadConfig(Settings, {})
  expect(Object.keys(example).sort()).toEqual(Object.keys(defaults).sort())
  expect(loadConfig(Settings, example)).toEqual(defaults)
})
