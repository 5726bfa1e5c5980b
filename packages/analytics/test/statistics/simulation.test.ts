import { describe, expect, it } from 'vitest'

import { assign, unitInterval } from '../../src/statistics/assignment.ts'
import { sampleRatio } from '../../src/statistics/many-tests.ts'
import { compareMeans, type MeanFacts } from '../../src/statistics/means.ts'
import { seededRandom } from '../../src/statistics/seeded-random.ts'
import { alwaysValid } from '../../src/statistics/sequential.ts'

const RUNS = 2000
const LOOKS = 20
const USERS_A_LOOK = 100
const ALPHA = 0.05

/** What is known of an arm that grows; the mean of all values is near 0, so that the squares lose nothing. */
class Arm {
  #n = 0
  #sum = 0
  #squares = 0

  add(value: number): void {
    this.#n++
    this.#sum += value
    this.#squares += value * value
  }

  facts(): MeanFacts {
    const mean = this.#sum / this.#n
    return { n: this.#n, mean, variance: (this.#squares - this.#n * mean * mean) / (this.#n - 1) }
  }
}

/** How many of the runs of an experiment without any difference are called significant: at the end, at any look, by the sequential test at any look. */
function falseAlarms(): { atTheEnd: number; atAnyLook: number; sequential: number } {
  const random = seededRandom(1)
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
  const alarms = { atTheEnd: 0, atAnyLook: 0, sequential: 0 }
  for (let run = 0; run < RUNS; run++) {
    const [a, b] = [new Arm(), new Arm()]
    let [peeked, sequential, last] = [false, false, false]
    for (let look = 1; look <= LOOKS; look++) {
      for (let n = 0; n < USERS_A_LOOK; n++) {
        a.add(normal())
        b.add(normal())
      }
      const compared = compareMeans(a.facts(), b.facts())
      if (compared === null) throw new Error('nothing varies')
      last = compared.p < ALPHA
      peeked ||= last
      sequential ||= alwaysValid({ ...compared, n: 2 * look * USERS_A_LOOK }).p < ALPHA
    }
    if (last) alarms.atTheEnd++
    if (peeked) alarms.atAnyLook++
    if (sequential) alarms.sequential++
  }
  return alarms
}

describe('2,000 experiments on equal arms', () => {
  it('are called significant in 5 % when looked at once, far more often under daily peeking, and rarely by the sequential test', () => {
    const { atTheEnd, atAnyLook, sequential } = falseAlarms()
    expect(atTheEnd / RUNS).toBeGreaterThan(0.04)
    expect(atTheEnd / RUNS).toBeLessThan(0.06)
    expect(atAnyLook / RUNS).toBeGreaterThan(0.2)
    expect(sequential / RUNS).toBeLessThanOrEqual(0.05)
  })

  it.each([
    ['equal', 1, 1],
    ['unequal', 4, 1],
  ])('with %s weights are told to be split wrongly in at most 0.2 %', (_, control, other) => {
    const variants = [
      { name: 'control', weight: control },
      { name: 'b', weight: other },
    ]
    const alarms = Array.from({ length: RUNS }, (_run, run) => {
      const counts = [0, 0]
      for (let user = 0; user < 500; user++) counts[assign({ seed: `e${run}`, coverage: 1, variants }, `u${user}`) === 'control' ? 0 : 1]!++
      return (sampleRatio(counts, [control, other])?.p ?? 1) < 0.001
    }).filter(Boolean).length
    expect(alarms / RUNS).toBeLessThanOrEqual(0.002)
  })
})

describe('the draw of users', () => {
  it('is uniform, in every experiment and for ids of any kind', () => {
    const ids = [(n: number) => `user-${n}`, (n: number) => String(n), (n: number) => `${(n * 2_654_435_761) % 4_294_967_296}@example.com`]
    for (const seed of ['new_chat_ui', 'model_selection', 'e', '']) {
      for (const idOf of ids) {
        const bins = Array.from({ length: 100 }, () => 0)
        for (let n = 0; n < 20_000; n++) bins[Math.floor(unitInterval(seed, idOf(n)) * 100)]!++
        // Of twelve such tests one in a thousand would fall below this.
        expect(
          sampleRatio(
            bins,
            bins.map(() => 1),
          )?.p,
        ).toBeGreaterThan(0.001 / 12)
      }
    }
  })

  it('of one experiment says nothing of that of another', () => {
    const both = Array.from({ length: 16 }, () => 0)
    for (let n = 0; n < 20_000; n++) {
      const [a, b] = ['new_chat_ui', 'model_selection'].map((seed) => Math.floor(unitInterval(seed, `user-${n}`) * 4))
      both[(a ?? 0) * 4 + (b ?? 0)]!++
    }
    expect(
      sampleRatio(
        both,
        both.map(() => 1),
      )?.p,
    ).toBeGreaterThan(0.001)
  })
})
