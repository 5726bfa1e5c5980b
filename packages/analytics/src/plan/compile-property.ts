import type { PropertyKey } from '../ledger/catalog.ts'
import type { DimensionSql, TextTest } from './dimension-sql.ts'
import { NONE } from '../query/dimensions.ts'
import { raw, sql, type Fragment } from '../ledger/fragment.ts'
import type { ListPart } from '../query/list-values.ts'
import { hasRows, type Scope, type Source } from './scope.ts'

/** The id of a call's value among the key's interned values. Calls keep a value in the place that the key had at the time. */
function valueId({ keyId, slot }: PropertyKey): Fragment {
  const inSegment = sql`(SELECT s.value_id FROM segment_values AS s WHERE s.segment_id = c.segment_id AND s.key_id = ${keyId})`
  return slot === null ? inSegment : sql`coalesce(c.${raw(`p${slot}`)}, ${inSegment})`
}

function valueText(id: Fragment): Fragment {
  return sql`(SELECT v.value FROM property_values AS v WHERE v.value_id = ${id})`
}

/**
 * The same in the groups of closed days: those by the key have the id itself, those by several keys a set; in others no call has
 * a value of the key, or they would not be read.
 */
function valueIdInDay({ keyId }: PropertyKey): Fragment {
  return sql`CASE r.part WHEN ${keyId} THEN nullif(r.id, 0)
    WHEN 0 THEN (SELECT s.value_id FROM segment_values AS s WHERE s.segment_id = r.id AND s.key_id = ${keyId}) END`
}

/** @returns undefined where the source does not know the property */
export function propertySql(name: string, source: Source, scope: Scope): DimensionSql | undefined {
  const key = scope.catalog.keys.get(name)
  if (source === 'days') return key === undefined ? undefined : propertyOfDay(key)
  if (!hasRows(source)) return undefined
  const lists = scope.lists.get(name) ?? []
  if (lists.length > 0) return listSql(name, key, scope)
  const overflow = sql`(SELECT o.value FROM json_each(c.overflow) AS o WHERE o.key = ${name})`
  if (key === undefined) return { key: sql`nullif(${overflow}, ${NONE})`, label: raw, joins: [] }
  const id = valueId(key)
  // Only a key that ran out of room has values that are not interned; then equal values are found by their text.
  if (key.place === 'overflow') return { key: sql`nullif(coalesce(${valueText(id)}, ${overflow}), ${NONE})`, label: raw, joins: [] }
  return internedValue(key, id)
}

/** A key that ran out of room is grouped by text, as its calls are. */
function propertyOfDay(key: PropertyKey): DimensionSql {
  const id = valueIdInDay(key)
  return key.place === 'overflow' ? { key: sql`nullif(${valueText(id)}, ${NONE})`, label: raw, joins: [] } : internedValue(key, id)
}

function internedValue({ keyId }: PropertyKey, id: Fragment): DimensionSql {
  const none = sql`(SELECT n.value_id FROM property_values AS n WHERE n.key_id = ${keyId} AND n.value = ${NONE})`
  return { key: sql`nullif(${id}, ${none})`, label: (alias) => valueText(raw(alias)), joins: [] }
}

/** A call has a row for each value that its own value lists, or one. Values are grouped as text: a part may be no value of its own. */
function listSql(name: string, key: PropertyKey | undefined, scope: Scope): DimensionSql {
  const list = `list_${[...scope.lists.keys()].indexOf(name)}`
  const overflow = sql`(SELECT o.value FROM json_each(c.overflow) AS o WHERE o.key = ${name})`
  const isText = key === undefined || key.place === 'overflow'
  const text = key === undefined ? overflow : isText ? sql`coalesce(${valueText(valueId(key))}, ${overflow})` : valueText(valueId(key))
  const whole = isText ? text : valueId(key)
  return {
    key: sql`iif(${raw(list)}.whole IS NULL, nullif(${text}, ${NONE}), ${raw(list)}.part)`,
    label: raw,
    joins: [
      sql`LEFT JOIN (SELECT ${raw(isText ? 'value->>0' : 'CAST(value->>0 AS INTEGER)')} AS whole, value->>1 AS part, value->>2 AS n, value->>3 AS k
        FROM json_each(${JSON.stringify(scope.lists.get(name) ?? [])}) LIMIT -1) AS ${raw(list)} ON ${raw(list)}.whole = ${whole}`,
    ],
    list,
  }
}

/** SQL that is 1 for calls with a value of a property that passes a test, 0 for others. */
export function matchProperty(
  name: string,
  { source, scope, test }: { source: Source; scope: Scope; test: TextTest },
): Fragment | undefined {
  const key = scope.catalog.keys.get(name)
  if (source === 'days') return key === undefined ? undefined : matchInDay(key, test)
  if (!hasRows(source)) return undefined
  const isText = key === undefined || key.place === 'overflow'
  const passes = (whole: string): Fragment => valuePasses(raw(whole), scope.lists.get(name) ?? [], test)
  const overflow = sql`EXISTS (SELECT 1 FROM json_each(c.overflow) AS t WHERE t.key = ${name} AND ${passes('t.value')})`
  if (key === undefined) return overflow
  const values = sql`(SELECT t.value_id FROM property_values AS t WHERE t.key_id = ${key.keyId} AND ${passes(isText ? 't.value' : 't.value_id')})`
  const inSegment = sql`c.segment_id IN (SELECT s.segment_id FROM segment_values AS s WHERE s.key_id = ${key.keyId} AND s.value_id IN ${values})`
  const inSlot = key.slot === null ? undefined : sql`ifnull(c.${raw(`p${key.slot}`)} IN ${values}, 0)`
  const places = [inSegment, inSlot, key.place === 'overflow' ? overflow : undefined].filter((place) => place !== undefined)
  return places.reduce((a, b) => sql`(${a} OR ${b})`)
}

function matchInDay(key: PropertyKey, test: TextTest): Fragment {
  return sql`ifnull(${valueIdInDay(key)} IN (SELECT t.value_id FROM property_values AS t WHERE t.key_id = ${key.keyId} AND ${valuePasses(raw('t.value_id'), [], test)}), 0)`
}

/** Whether a value `t`, or any of those it lists, passes; `whole` is what lists know it by. */
function valuePasses(whole: Fragment, lists: readonly ListPart[], test: TextTest): Fragment {
  const itself = sql`t.value <> ${NONE} AND ${test(raw('t.value'))}`
  if (lists.length === 0) return itself
  const parts = sql`(SELECT value->>0 AS whole, value->>1 AS part FROM json_each(${JSON.stringify(lists)})) AS l`
  return sql`iif(${whole} IN (SELECT l.whole FROM ${parts}),
    ${whole} IN (SELECT l.whole FROM ${parts} WHERE l.part IS NOT NULL AND ${test(raw('l.part'))}), ${itself})`
}
