/** JSX as HTML text: what React or Preact is in an app, in a few lines. `@jsxImportSource` and `imports` of package.json name it. */
interface Props {
  readonly [name: string]: unknown
  readonly children?: unknown
}

export function jsx(type: string | ((props: Props) => string), props: Props): string {
  if (typeof type === 'function') return type(props)
  return `<${type}>${[props.children ?? ''].flat().join('')}</${type}>`
}

export { jsx as jsxs }

export declare namespace JSX {
  type Element = string
  interface IntrinsicElements {
    readonly main: { readonly children?: unknown }
    readonly p: { readonly children?: unknown }
  }
}
