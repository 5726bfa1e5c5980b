import { symbolCircle, symbolCross, symbolDiamond, symbolSquare, symbolStar, symbolTriangle, type SymbolType } from 'd3-shape'

/**
 * How lines are told apart: by dashes and by the shape of their points, and by colours that people who see fewer of them tell apart too
 * (after Okabe and Ito, darkened so that each has a contrast of 3:1 with the paper).
 */
export interface SeriesStyle {
  readonly light: string
  readonly dark: string
  readonly dash: string
  readonly symbol: SymbolType
}

export const seriesStyles: readonly SeriesStyle[] = [
  { light: '#0072b2', dark: '#56b4e9', dash: 'none', symbol: symbolCircle },
  { light: '#c75000', dark: '#ff9d4d', dash: '7 3', symbol: symbolSquare },
  { light: '#00795a', dark: '#2cc196', dash: '2 3', symbol: symbolTriangle },
  { light: '#a03c82', dark: '#e19bd0', dash: '9 3 2 3', symbol: symbolDiamond },
  { light: '#806600', dark: '#f0e442', dash: '12 4', symbol: symbolCross },
  { light: '#4d4d4d', dark: '#d0d0d0', dash: '4 4', symbol: symbolStar },
]

const colors = (scheme: 'light' | 'dark'): string => seriesStyles.map((style, n) => `--s${n}: ${style[scheme]};`).join(' ')

/** The style of charts; they have no style of their own, so that a policy may forbid it. */
export const chartStyle = `
:root { ${colors('light')} }
@media screen and (prefers-color-scheme: dark) { :root { ${colors('dark')} } }
figure { margin: .6rem 0 1rem; }
figcaption { opacity: .8; }
.chart { display: block; width: 100%; max-width: 48rem; height: auto; }
.chart text { fill: CanvasText; font: 12px system-ui, sans-serif; }
.chart .title { font-weight: 600; }
.chart .grid { stroke: #8884; } .chart .base { stroke: CanvasText; } .chart .reference { stroke: CanvasText; stroke-dasharray: 4 3; }
.chart .band { fill: var(--s0); fill-opacity: .18; } .chart .cap { stroke-width: 2; }
${seriesStyles
  .map(
    ({ dash }, n) =>
      `.chart .l${n} { fill: none; stroke: var(--s${n}); stroke-width: 2; stroke-dasharray: ${dash}; } .chart .f${n} { fill: var(--s${n}); }`,
  )
  .join('\n')}
@media print {
  :root { color-scheme: light; }
  body { max-width: none; margin: 0; }
  .wide { overflow: visible; } figure, tr { break-inside: avoid; } h2 { break-after: avoid; } thead { display: table-header-group; }
  td, th { white-space: normal; overflow-wrap: anywhere; }
}
`
