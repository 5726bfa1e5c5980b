import type { Filter } from './filter.ts'
import { QueryError } from './query-error.ts'

/**
 * Reads a filter from text, for the command line and URLs:
 * `plan = pro and feature in (chat, "doc analysis") and cost_usd > 0.01`.
 *
 * `=` `!=` `~` (contains) `!~` `^=` (starts with) `>` `>=` `<` `<=`, `in (…)`, `not in (…)`, `exists NAME`, `missing NAME`,
 * `has_done (…) within 30d min 3`, `and`, `or`, `not`, parentheses; `and` binds tighter than `or`. Names and values with other characters than letters,
 * digits and `_ - : . / @ + (none)` are quoted with " or '.
 * @throws QueryError that shows where reading stopped
 */
export function parseWhere(text: string): Filter {
  if (text.length > MAX_LENGTH)
    throw new QueryError(`The filter is longer than ${MAX_LENGTH} characters.`, { given: `${text.slice(0, 40)}…` })
  const reader = new WhereReader(text, tokenize(text))
  const filter = reader.readOr(0)
  reader.expectEnd()
  return filter
}

const MAX_LENGTH = 50_000
/** Far above what a filter may have; it only keeps the reader's recursion small. */
const MAX_NESTING = 50

interface Token {
  readonly kind: 'word' | 'quoted' | 'symbol' | 'end'
  readonly text: string
  readonly at: number
}

const pattern =
  /\s+|(?<none>\(none\))|"(?<double>(?:[^"\\]|\\.)*)"|'(?<single>(?:[^'\\]|\\.)*)'|(?<symbol>>=|<=|!=|!~|\^=|[=~<>(),])|(?<word>[\p{L}\p{N}_\-:./@+$%#*…]+)/uy

function tokenize(text: string): Token[] {
  const tokens: Token[] = []
  pattern.lastIndex = 0
  for (let at = 0; at < text.length; at = pattern.lastIndex) {
    pattern.lastIndex = at
    const match = pattern.exec(text)
    if (match === null) throw unreadable(text, at)
    const { none, double, single, symbol, word } = match.groups ?? {}
    const quoted = none ?? (double ?? single)?.replace(/\\(.)/gsu, '$1')
    if (quoted !== undefined) tokens.push({ kind: 'quoted', text: quoted, at })
    else if (symbol !== undefined) tokens.push({ kind: 'symbol', text: symbol, at })
    else if (word !== undefined) tokens.push({ kind: 'word', text: word, at })
  }
  tokens.push({ kind: 'end', text: '', at: text.length })
  return tokens
}

const textOperators = { '=': 'is', '!=': 'is_not', '~': 'contains', '!~': 'not_contains', '^=': 'starts_with' } as const
const numberOperators = { '>': 'gt', '>=': 'gte', '<': 'lt', '<=': 'lte' } as const

class WhereReader {
  readonly #text: string
  readonly #tokens: readonly Token[]
  #next = 0

  constructor(text: string, tokens: readonly Token[]) {
    this.#text = text
    this.#tokens = tokens
  }

  readOr(nesting: number): Filter {
    return this.#readChain('or', () => this.#readChain('and', () => this.#readOne(nesting)))
  }

  expectEnd(): void {
    if (this.#peek().kind !== 'end') throw this.#unexpected('"and", "or" or the end')
  }

  #readChain(word: 'and' | 'or', read: () => Filter): Filter {
    const parts = [read()]
    while (this.#takeWord(word)) parts.push(read())
    const [only] = parts
    return parts.length === 1 && only !== undefined ? only : [word, ...parts]
  }

  #readOne(nesting: number): Filter {
    if (nesting > MAX_NESTING) throw new QueryError('The filter has too many parentheses.', { given: this.#text.slice(0, 40) })
    if (this.#takeWord('not')) return ['not', this.#readOne(nesting + 1)]
    if (this.#peek().text.toLowerCase() === 'has_done' && this.#tokens[this.#next + 1]?.text === '(') return this.#readDone(nesting)
    if (this.#takeSymbol('(')) {
      const inner = this.readOr(nesting + 1)
      this.#expectSymbol(')')
      return inner
    }
    const isPresence =
      /^(exists|missing)$/i.test(this.#peek().text) && this.#peek().kind === 'word' && this.#isText(this.#tokens[this.#next + 1])
    if (isPresence) return [this.#take().text.toLowerCase() as 'exists' | 'missing', this.#take().text]
    return this.#readComparison()
  }

  #readDone(nesting: number): Filter {
    this.#take()
    this.#expectSymbol('(')
    const inner = this.readOr(nesting + 1)
    this.#expectSymbol(')')
    const within = this.#takeWord('within') ? this.#readValue() : undefined
    const min = this.#takeWord('min') ? this.#readNumber() : undefined
    return ['has_done', inner, { ...(within === undefined ? {} : { within }), ...(min === undefined ? {} : { min }) }]
  }

  #readComparison(): Filter {
    if (
      this.#peek().text.toLowerCase() === 'has_done' &&
      this.#peek().kind === 'word' &&
      this.#isText(this.#tokens[this.#next + 1]) &&
      !/^(?:in|not)$/i.test(this.#tokens[this.#next + 1]?.text ?? '')
    )
      throw new QueryError('has_done takes a filter in parentheses: has_done (feature = chat) within 30d.', { given: 'has_done' })
    if (!this.#isText(this.#peek())) throw this.#unexpected('a name')
    const name = this.#take().text
    if (this.#takeWord('in')) return ['is', name, this.#readList()]
    if (this.#takeWord('not')) {
      if (!this.#takeWord('in')) throw this.#unexpected('"in"')
      return ['is_not', name, this.#readList()]
    }
    const operator = this.#peek()
    if (operator.kind === 'symbol' && operator.text in textOperators) {
      this.#take()
      return [textOperators[operator.text as keyof typeof textOperators], name, [this.#readValue()]]
    }
    if (operator.kind === 'symbol' && operator.text in numberOperators) {
      this.#take()
      return [numberOperators[operator.text as keyof typeof numberOperators], name, this.#readNumber()]
    }
    throw this.#unexpected('=, !=, ~, !~, ^=, >, >=, <, <= or in (…)')
  }

  #readList(): string[] {
    this.#expectSymbol('(')
    const values = [this.#readValue()]
    while (this.#takeSymbol(',')) values.push(this.#readValue())
    this.#expectSymbol(')')
    return values
  }

  #readValue(): string {
    if (!this.#isText(this.#peek())) throw this.#unexpected('a value')
    return this.#take().text
  }

  #readNumber(): number {
    const token = this.#peek()
    if (token.kind !== 'word' || !/^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(token.text)) throw this.#unexpected('a number')
    return Number(this.#take().text)
  }

  #isText(token: Token | undefined): boolean {
    return token?.kind === 'word' || token?.kind === 'quoted'
  }

  #peek(): Token {
    const token = this.#tokens[this.#next]
    if (token === undefined) throw this.#unexpected('more')
    return token
  }

  #take(): Token {
    const token = this.#peek()
    this.#next++
    return token
  }

  #takeWord(word: string): boolean {
    const token = this.#peek()
    if (token.kind !== 'word' || token.text.toLowerCase() !== word) return false
    this.#next++
    return true
  }

  #takeSymbol(symbol: string): boolean {
    const token = this.#peek()
    if (token.kind !== 'symbol' || token.text !== symbol) return false
    this.#next++
    return true
  }

  #expectSymbol(symbol: string): void {
    if (!this.#takeSymbol(symbol)) throw this.#unexpected(`"${symbol}"`)
  }

  #unexpected(wanted: string): QueryError {
    const token = this.#tokens[this.#next]
    const found = token === undefined || token.kind === 'end' ? 'the end' : JSON.stringify(token.text)
    const at = token?.at ?? this.#text.length
    return new QueryError(
      `Filter ${JSON.stringify(this.#text)}: expected ${wanted} at character ${at + 1}, found ${found}. Example: plan = pro and cost_usd > 0.01`,
      { given: token?.text ?? '' },
    )
  }
}

function unreadable(text: string, at: number): QueryError {
  return new QueryError(
    `Filter ${JSON.stringify(text)}: cannot read character ${at + 1}, ${JSON.stringify(text.slice(at, at + 1))}. Quote names and values that hold more than letters, digits and _ - : . /`,
    { given: text.slice(at, at + 1) },
  )
}
