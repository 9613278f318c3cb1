/** Runs a command in a mount namespace of its own with a small in-memory disk at `path`; needs no privileges. */
export function onSmallDisk(path: string, size: string, mode = 'rw'): readonly string[] {
  return [
    ...['unshare', '--user', '--map-root-user', '--mount', 'sh', '-c'],
    ...[`mount -t tmpfs -o size=${size},${mode} tmpfs "$0" && exec "$@"`, path],
  ]
}
