import { SingleBar } from 'cli-progress'

/** One long piece of work on the terminal: a bar where there is a terminal, now and then a line where there is none. */
export interface Progress extends Disposable {
  update(value: number, note: string): void
}

const LINE_EVERY_MS = 5_000

export function startProgress(total: number, output: NodeJS.WriteStream, now: () => number): Progress {
  return output.isTTY ? bar(total, output) : lines(total, output, now)
}

function bar(total: number, output: NodeJS.WriteStream): Progress {
  const shown = new SingleBar({
    format: '  {bar} {percentage}%  {note}',
    barCompleteChar: '━',
    barIncompleteChar: '─',
    barsize: 32,
    hideCursor: true,
    stream: output,
    etaBuffer: 50,
  })
  shown.start(Math.max(1, total), 0, { note: '' })
  return {
    update: (value, note) => shown.update(Math.min(value, total), { note }),
    [Symbol.dispose]: () => shown.stop(),
  }
}

function lines(total: number, output: NodeJS.WriteStream, now: () => number): Progress {
  let printedAt = now()
  return {
    update(value, note) {
      if (now() - printedAt < LINE_EVERY_MS) return
      printedAt = now()
      output.write(`  ${Math.floor((100 * value) / Math.max(1, total))}%  ${note}\n`)
    },
    [Symbol.dispose]() {},
  }
}
