/**
 * The filter `name = value` as one word of a shell. Values come from an app's users: who copies an advice must not run what
 * somebody called a feature.
 */
export function filterWord(name: string, value: string): string {
  const filter = `${name} = "${value.replaceAll(/["\\]/g, String.raw`\$&`)}"`
  return `'${filter.replaceAll("'", String.raw`'\''`)}'`
}
