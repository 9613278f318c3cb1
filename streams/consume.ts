import { setTimeout as sleep } from 'node:timers/promises'
import { isMillraceError } from '../schemas/errors.ts'
import type { ConsumeOptions, EventLog, GroupHandler, LogBatch } from './event-log/port.ts'

export interface RetryPolicy {
  /** Tries of one batch, the first included, before the subscription is left. */
  readonly attemptsMax: number
  /** Before the second try; doubles with each further one. */
  readonly delayMs: number
  /** Longest delay, also the one before joining again. */
  readonly delayMaxMs: number
  /** How to wait; a timer unless a test owns the time. Resolves early when the signal aborts. */
  readonly wait?: (delayMs: number, signal: AbortSignal) => Promise<void>
}

export interface ReliableOptions extends ConsumeOptions {
  readonly retry: RetryPolicy
  /** Called once per failed try, counted from 1; a failure outside a batch (join, assignment) counts as try 1. */
  onFailure(error: unknown, attempt: number): void
}

/** A back-off longer than this is waited in parts, with a heartbeat between them. */
const HEARTBEAT_INTERVAL_MS = 2_000

/**
 * Consumes until the signal aborts, whatever fails: a batch that throws is tried again with exponential back-off a bounded
 * number of times, then the subscription is left and joined again after the longest delay. A batch that failed is never
 * committed. Only two errors end it: LOG_RESET (an operator must decide) and ABORTED (the log was closed).
 */
export async function consumeReliably(log: EventLog, options: ReliableOptions, handler: GroupHandler): Promise<void> {
  const { signal, retry } = options
  const reported = new WeakSet<object>()
  const report = (error: unknown, attempt: number) => {
    if (typeof error === 'object' && error !== null) {
      if (reported.has(error)) return
      if (attempt >= retry.attemptsMax) reported.add(error)
    }
    options.onFailure(error, attempt)
  }
  const retrying: GroupHandler = {
    onAssigned: async (assigned, assignedSignal) => (await handler.onAssigned?.(assigned, assignedSignal)) ?? new Map(),
    onRevoked: async (revoked) => handler.onRevoked?.(revoked),
    onBatch: (batch, control) => workWithRetries(batch, control, handler, retry, report),
  }
  while (!signal.aborted) {
    try {
      return await log.consume(options, retrying)
    } catch (error) {
      if (isMillraceError(error, 'LOG_RESET') || isMillraceError(error, 'ABORTED')) throw error
      if (signal.aborted) return
      report(error, 1)
      await wait(retry, retry.delayMaxMs, signal)
    }
  }
}

async function workWithRetries(
  batch: LogBatch,
  control: Parameters<GroupHandler['onBatch']>[1],
  handler: GroupHandler,
  retry: RetryPolicy,
  report: (error: unknown, attempt: number) => void,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await handler.onBatch(batch, control)
    } catch (error) {
      if (control.signal.aborted || isMillraceError(error, 'LOG_RESET')) throw error
      report(error, attempt)
      if (attempt >= retry.attemptsMax) throw error
      await backOff(retry, Math.min(retry.delayMs * 2 ** (attempt - 1), retry.delayMaxMs), control)
      if (control.signal.aborted) throw error
    }
  }
}

async function backOff(retry: RetryPolicy, delayMs: number, control: Parameters<GroupHandler['onBatch']>[1]) {
  let rest = delayMs
  while (rest > 0 && !control.signal.aborted) {
    const part = Math.min(rest, HEARTBEAT_INTERVAL_MS)
    await wait(retry, part, control.signal)
    rest -= part
    await control.heartbeat()
  }
}

async function wait(retry: RetryPolicy, delayMs: number, signal: AbortSignal): Promise<void> {
  if (retry.wait !== undefined) return retry.wait(delayMs, signal)
  try {
    await sleep(delayMs, undefined, { signal })
  } catch (error) {
    if (!signal.aborted) throw error
  }
}
