/** Before the partition's name, in the hash beside the generation. */
export const PARTITION_FIELD = 'partition:'

/** Next offset per partition from the fields beside the generation. */
export function appliedOf(fields: Readonly<Record<string, string>>): Map<string, number> {
  const applied = new Map<string, number>()
  for (const [field, value] of Object.entries(fields)) {
    if (field.startsWith(PARTITION_FIELD)) applied.set(field.slice(PARTITION_FIELD.length), Number(value))
  }
  return applied
}
