/** The recipe of a user state that is being rebuilt begins with this, and goes on with time and number of the last sign of life. */
export const REBUILDING = 'rebuilding '

/**
 * Whether a user state with this recipe holds every user it should: false while nobody has built it yet, after it was
 * emptied, and during a rebuild. A user that is missing meanwhile is not an unknown user.
 */
export function isWhole(recipe: string | null): boolean {
  return recipe !== null && !recipe.startsWith(REBUILDING)
}
