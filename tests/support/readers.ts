import { call, type Recommendations } from './api.ts'
import { eventually } from './eventually.ts'

/** Recommendations for each user from each edge, over and over, and what came of them. Users without new events. */
export function readAllTheTime(urls: readonly string[], users: readonly string[]) {
  const lists = new Map<string, Set<string>>()
  const failures: string[] = []
  const newest = new Map<string, string | null>()
  let stopped = false
  async function readOnce(url: string, user: string): Promise<void> {
    const { status, body } = await call<Recommendations>(url, 'GET', `/api/v1/recommendations/user/${user}?limit=5`)
    if (status !== 200 || body.degraded) failures.push(`${user}: ${status} ${JSON.stringify(body).slice(0, 200)}`)
    const key = `${user} ${body.modelVersion}`
    const scored = body.items.map(({ itemId, score }) => `${itemId}=${score}`).join()
    lists.set(key, (lists.get(key) ?? new Set()).add(scored))
    newest.set(`${url} ${user}`, body.modelVersion)
  }
  const reading = Promise.all(
    urls.flatMap((url) =>
      users.map(async (user) => {
        while (!stopped) {
          await readOnce(url, user).catch((error: unknown) => failures.push(`${user}: ${String(error)}`))
          await new Promise((resolve) => setImmediate(resolve))
        }
      }),
    ),
  )
  return {
    failures: () => failures,
    /** How many different lists each user got of each model: more than one would mix two. */
    listsByVersion: () => [...lists].map(([key, seen]) => ({ key, lists: seen.size })),
    /** Resolves when the newest reply of every edge to every user is of such a model. */
    until: (matches: (version: string | null) => boolean) =>
      eventually(
        async () => urls.flatMap((url) => users.map((user) => newest.get(`${url} ${user}`) ?? null)),
        (versions) => versions.every(matches),
      ),
    async [Symbol.asyncDispose]() {
      stopped = true
      await reading
    },
  }
}
