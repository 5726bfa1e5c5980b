/** A field that objects of others carry for us. */
export interface HiddenField<Value> {
  get(object: object): Value | undefined
  set(object: object, value: Value): void
}

/** Lets the private field of a subclass land on an object that is there already. */
// oxlint-disable-next-line typescript/no-extraneous-class -- the constructor is all there is to it
class Existing {
  constructor(object: object) {
    return object
  }
}

/**
 * What a WeakMap does, with the value on the object itself, as a private field: nothing can see it, copy it or list it, and
 * it dies with the object. Setting one costs a tenth of a microsecond in all; an entry in a WeakMap whose keys live for
 * milliseconds cost seven times that, most of it in the garbage collector.
 */
export function hiddenField<Value>(): HiddenField<Value> {
  // A class for each field: two processors in one app keep their own on the same span.
  class Hidden extends Existing {
    #value: Value
    constructor(object: object, value: Value) {
      super(object)
      this.#value = value
    }
    static get(object: object): Value | undefined {
      return #value in object ? object.#value : undefined
    }
    static set(object: object, value: Value): void {
      if (#value in object) object.#value = value
      // oxlint-disable-next-line no-new -- it is `object` that comes out of it
      else new Hidden(object, value)
    }
  }
  return Hidden
}
