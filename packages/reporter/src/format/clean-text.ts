/**
 * Text from data as one line that a terminal shows and does not obey: control characters, escape sequences, characters
 * that turn the direction of writing or hide are replaced. Joiners stay: emoji and several scripts need them.
 */
export function cleanText(text: string): string {
  return (
    text
      .toWellFormed()
      .replaceAll(/[\r\n\t]+/g, ' ')
      // oxlint-disable-next-line no-control-regex -- control characters are exactly what is looked for
      .replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, '�')
      .replaceAll(/[\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]/g, '�')
  )
}
