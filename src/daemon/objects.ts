/** What zod's optional fields need under `exactOptionalPropertyTypes`. */

/** A copy without the keys whose value is undefined. */
export function withoutUndefined<T extends object>(
  fields: T
): { [Key in keyof T]: Exclude<T[Key], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [Key in keyof T]: Exclude<T[Key], undefined>
  }
}
