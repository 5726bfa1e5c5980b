/**
 * An object for attributes: nothing is inherited, so that `__proto__` and `constructor` are keys like any other. Its
 * prototype is an empty object without one, because objects with none at all are several times slower in V8.
 */
export type Bag = Record<string, unknown>

export const Bag = function newBag() {} as unknown as new () => Bag
Bag.prototype = Object.freeze(Object.create(null) as object)
