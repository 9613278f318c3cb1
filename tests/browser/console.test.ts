import { mkdir } from 'node:fs/promises'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { launchChromium } from './chromium.ts'
import { type StartedMillrace, startMillraceProcess } from './running-millrace.ts'

const MODEL_WAIT_MS = 60_000
const LIST_WAIT_MS = 5_000

let millrace: StartedMillrace
let browser: Browser

beforeAll(async () => {
  ;[millrace, browser] = await Promise.all([startMillraceProcess(), launchChromium()])
})
afterAll(async () => {
  await browser?.close()
  await millrace?.[Symbol.asyncDispose]()
})

test('three clicks of a new visitor change the list, and the charts move', async () => {
  const { page, problems } = await openPage({ width: 1440, height: 1000 })
  const champion = page.locator('.model.is-champion')
  await champion.waitFor({ timeout: MODEL_WAIT_MS }).catch((cause: unknown) => {
    throw new Error(`no champion on the page; Millrace printed:\n${millrace.output()}`, { cause })
  })
  // The edge serves a champion a moment after it was named; the list shown is then asked for once more.
  await page
    .locator('.pulse')
    .getByText(/^model (?!none)/)
    .waitFor()
  // The list for anyone stands there a moment longer.
  const own = page.waitForResponse((response) => response.url().includes('/recommendations/user/'))
  await page.getByRole('button', { name: 'Become a visitor' }).click()
  await page.getByTestId('visitor').waitFor()
  await own
  await listIsThere(page)
  const chartsBefore = await chartPixels(page)
  expect(await listOf(page)).toHaveLength(12)

  for (const click of [1, 2, 3]) {
    const before = await listOf(page)
    const film = page.locator('.films .film:not(.is-seen):not(.is-waiting) .film-open').nth(click)
    const itemName = (await film.getAttribute('title')) ?? ''
    // By its name: the shelf is asked for again now and then, and another film may stand in this one's place.
    await page.locator('.films').getByTitle(itemName, { exact: true }).click()
    await expect.poll(() => page.locator('.past-act').count(), { timeout: LIST_WAIT_MS }).toBe(click)
    await listIsThere(page)
    expect(await listOf(page)).not.toEqual(before)
    await page.getByText('from your click to this list').waitFor()
    expect(await page.getByTestId('freshness').innerText()).toMatch(/^<?\s*[\d.,]+\s*m?s$/)
    expect(await page.locator('.past-act').first().innerText()).toContain(itemName)
    expect(await page.locator('.pick .film-open').evaluateAll(titlesOf)).not.toContain(itemName)
  }
  await page.locator('.pick .source-personal').first().waitFor()
  expect(await page.locator('.pick-reason').first().innerText()).toMatch(/because you opened .+/)
  await expect.poll(() => chartPixels(page), { timeout: 15_000 }).not.toBe(chartsBefore)
  expect(await page.locator('.pulse').innerText()).toMatch(/events\/s/)
  expect(problems).toEqual([])
  await takeScreenshots(page)
  await page.close()
})

test('a visitor who comes back finds the observed history again', async () => {
  const { page, problems } = await openPage({ width: 1200, height: 900 })
  await page.getByRole('button', { name: 'Become a visitor' }).click()
  await page.locator('.films .action-like').first().click()
  await expect.poll(() => page.locator('.past-act').count(), { timeout: LIST_WAIT_MS }).toBe(1)
  const name = await page.locator('.past-act .past-name').innerText()
  expect(await pastAfterReload(page)).toEqual([name])
  expect(problems).toEqual([])
  await page.close()
})

test('on a phone of 380 pixels nothing is wider than the screen, and every control has a name', async () => {
  const { page, problems } = await openPage({ width: 380, height: 800 })
  await page.locator('.pick[data-row]').first().waitFor()
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(380)
  const unnamed = await page.locator('button, input, a, [role=img]').evaluateAll((controls) =>
    controls
      .filter((control) => {
        const labels = control instanceof HTMLInputElement ? control.labels?.length : 0
        return !control.textContent?.trim() && !control.getAttribute('aria-label') && !labels
      })
      .map((control) => control.outerHTML),
  )
  expect(await page.locator('button').count()).toBeGreaterThan(10)
  expect(unnamed).toEqual([])
  expect(problems).toEqual([])
  await page.close()
})

test('at no width does what is told of a list leave its panel', async () => {
  const { page, problems } = await openPage({ width: 1440, height: 900 })
  await page.getByRole('button', { name: 'Become a visitor' }).click()
  await page.getByTestId('visitor').waitFor()
  await listIsThere(page)
  for (const width of [390, 820, 1024, 1280, 1366]) {
    await page.setViewportSize({ width, height: 900 })
    const panel = await page.locator('.recommended').boundingBox()
    const facts = await page.locator('.facts > *').evaluateAll((boxes) =>
      boxes.map((box) => {
        const { left, right, bottom } = box.getBoundingClientRect()
        return { left, right, bottom }
      }),
    )
    const line = await page.locator('.freshness').evaluate((box) => box.getBoundingClientRect().bottom)
    expect(facts).toHaveLength(5)
    for (const { left, right, bottom } of facts) {
      expect(left, `at ${width}`).toBeGreaterThanOrEqual(panel?.x ?? Number.NaN)
      expect(right, `at ${width}`).toBeLessThanOrEqual((panel?.x ?? 0) + (panel?.width ?? 0))
      expect(bottom, `at ${width}`).toBeLessThanOrEqual(line)
    }
  }
  expect(problems).toEqual([])
  await page.close()
})

test('markup in titles and ids stays text', async () => {
  const title = '<img src=x onerror="document.title=1"> & <b>bold</b>'
  await put(`/api/v1/items/hostile`, { title, categories: ['<script>'] })
  const { page, problems } = await openPage({ width: 1200, height: 900 })
  await page.getByLabel('Look through the eyes of another user id').fill('<i>visitor</i>')
  await page.getByRole('button', { name: 'Go', exact: true }).click()
  expect(await page.getByTestId('visitor').innerText()).toBe('<i>visitor</i>')
  await post('/api/v1/events', { userId: '<i>visitor</i>', itemId: 'hostile', type: 'view' })
  expect(await pastAfterReload(page)).toEqual([title])
  expect(await page.title()).toBe('Millrace')
  expect(problems).toEqual([])
  await page.close()
})

test('a page whose edge stops says how to start it', async () => {
  await using other = await startMillraceProcess('--no-demo')
  const page = await browser.newPage()
  await page.goto(other.url)
  await page.getByText('The shelf is empty').waitFor()
  await other.stop()
  await page.getByText('The edge does not answer.').waitFor({ timeout: 10_000 })
  expect(await page.getByRole('alert').first().innerText()).toContain('npm start')
  await page.close()
})

async function openPage(viewport: { width: number; height: number }): Promise<{ page: Page; problems: string[] }> {
  const context = await browser.newContext({ viewport, colorScheme: 'light' })
  const page = await context.newPage()
  const problems: string[] = []
  page.on('pageerror', (error) => problems.push(error.message))
  page.on('console', (message) => {
    if (message.type() === 'error') problems.push(message.text())
  })
  await page.goto(millrace.url)
  return { page, problems }
}

/** Resolves when the page waits for no list: what was asked for last is shown. */
async function listIsThere(page: Page): Promise<void> {
  await page.locator('.picks[aria-busy="false"]').waitFor({ timeout: LIST_WAIT_MS })
}

/** The page asks for the past once, as it is loaded: not before user state and event store have it. */
async function pastAfterReload(page: Page): Promise<string[]> {
  const userId = await page.getByTestId('visitor').innerText()
  await expect.poll(() => isStored(userId), { timeout: 15_000 }).toBe(true)
  await page.reload()
  await page.locator('.past-act').first().waitFor()
  return page.locator('.past-name').allInnerTexts()
}

async function isStored(userId: string): Promise<boolean> {
  const response = await fetch(`${millrace.url}/api/v1/users/${encodeURIComponent(userId)}/history`)
  const { state, events } = (await response.json()) as { state?: object | null; events?: readonly object[] }
  return state !== null && events !== undefined && events.length > 0
}

function listOf(page: Page): Promise<string[]> {
  return page
    .locator('.pick[data-row]')
    .evaluateAll((rows) => rows.map((row) => (row instanceof HTMLElement ? (row.dataset.row ?? '') : '')))
}

function titlesOf(controls: (HTMLElement | SVGElement)[]): string[] {
  return controls.map((control) => control.getAttribute('title') ?? '')
}

/** The picture of the first chart, so that a chart that stands still is noticed. */
function chartPixels(page: Page): Promise<string> {
  return page
    .locator('.chart canvas')
    .first()
    .evaluate((canvas) => (canvas as HTMLCanvasElement).toDataURL())
}

async function put(path: string, body: unknown): Promise<void> {
  await send('PUT', path, body)
}
async function post(path: string, body: unknown): Promise<void> {
  await send('POST', path, body)
}
async function send(method: string, path: string, body: unknown): Promise<void> {
  const response = await fetch(`${millrace.url}${path}`, {
    method,
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json' },
  })
  expect(response.ok, `${method} ${path} answered ${response.status}: ${await response.text()}`).toBe(true)
}

/** The README's pictures, taken when UPDATE_SCREENSHOTS=1, once the charts have something to show. */
async function takeScreenshots(page: Page): Promise<void> {
  if (process.env.UPDATE_SCREENSHOTS !== '1') return
  await page.waitForTimeout(75_000)
  await mkdir('docs', { recursive: true })
  await page.mouse.move(0, 0)
  for (const scheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme: scheme })
    await page.waitForTimeout(1_500)
    await page.screenshot({ path: `docs/console-${scheme}.png`, fullPage: true })
  }
}
