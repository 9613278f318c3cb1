import { MillraceError } from '../../schemas/errors.ts'
import type { ServiceContext } from './context.ts'

/** @throws MillraceError CONFIG_INVALID naming HOST or PORT where the server cannot listen there. */
export async function listen(
  server: { listen(options: { host: string; port: number }): Promise<string> },
  { HOST, PORT }: ServiceContext['settings'],
): Promise<string> {
  try {
    return await server.listen({ host: HOST, port: PORT })
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'EADDRINUSE') {
      throw new MillraceError('CONFIG_INVALID', `port ${PORT} on ${HOST} is taken; set PORT to another`, { cause })
    }
    if (code === 'EACCES' || code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') {
      throw new MillraceError(
        'CONFIG_INVALID',
        `cannot listen on ${HOST} port ${PORT} (${code}); correct HOST or PORT`,
        { cause },
      )
    }
    throw cause
  }
}
