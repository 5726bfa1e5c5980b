/** An override file that cannot be read, or a row in it that says something impossible. */
export class PriceBookError extends Error {
  override readonly name = 'PriceBookError'
}
