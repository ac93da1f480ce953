/** A value that changes; made for React's useSyncExternalStore without knowing it. */
export interface Readable<T> {
  /** The value now; the same object until it changes. */
  readonly get: () => T;
  /** Calls `listener` after each change; gives back how to stop. */
  readonly subscribe: (listener: () => void) => () => void;
}

/** A value with an owner who sets it. Equal values (Object.is, or `same`) are no change. */
export class Value<T> implements Readable<T> {
  readonly #listeners = new Set<() => void>();
  readonly #same: (a: T, b: T) => boolean;
  #value: T;

  constructor(value: T, same: (a: T, b: T) => boolean = Object.is) {
    this.#value = value;
    this.#same = same;
  }

  readonly get = (): T => this.#value;

  readonly set = (value: T): void => {
    if (this.#same(this.#value, value)) return;
    this.#value = value;
    for (const listener of [...this.#listeners]) listener();
  };

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };
}

type Read<Sources extends readonly Readable<unknown>[]> = {
  -readonly [Index in keyof Sources]: Sources[Index] extends Readable<infer T> ? T : never;
};

/** A value computed from others, again only when one of them changed. */
export function derive<const Sources extends readonly Readable<unknown>[], T>(
  sources: Sources,
  compute: (...values: Read<Sources>) => T,
): Readable<T> {
  let inputs: readonly unknown[] | null = null;
  let result: T;
  return {
    get: () => {
      const now = sources.map((source) => source.get());
      if (inputs === null || now.some((value, index) => !Object.is(value, inputs?.[index]))) {
        inputs = now;
        result = compute(...(now as Read<Sources>));
      }
      return result;
    },
    subscribe: (listener) => {
      const stops = sources.map((source) => source.subscribe(listener));
      return () => {
        for (const stop of stops) stop();
      };
    },
  };
}

/** Whether two flat records or arrays have Object.is-equal members. */
export function shallowEqual(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  const left = Object.entries(a);
  const right = b as Record<string, unknown>;
  return (
    left.length === Object.keys(b).length &&
    left.every(([key, value]) => key in right && Object.is(value, right[key]))
  );
}
