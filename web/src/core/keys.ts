/** What the keyboard does on a player. By the place of a key, so that a Russian layout has the same ones. Pure. */

export type PlayerCommand =
  | { readonly do: "toggle" | "full_screen" | "mute" }
  | { readonly do: "by"; readonly ms: number }
  | { readonly do: "louder"; readonly by: number }
  /** A part of the whole, 0..1. */
  | { readonly do: "to"; readonly part: number };

const COMMANDS: Readonly<Record<string, PlayerCommand>> = {
  Space: { do: "toggle" },
  KeyK: { do: "toggle" },
  KeyF: { do: "full_screen" },
  KeyM: { do: "mute" },
  ArrowLeft: { do: "by", ms: -5_000 },
  ArrowRight: { do: "by", ms: 5_000 },
  KeyJ: { do: "by", ms: -10_000 },
  KeyL: { do: "by", ms: 10_000 },
  ArrowUp: { do: "louder", by: 0.1 },
  ArrowDown: { do: "louder", by: -0.1 },
  Home: { do: "to", part: 0 },
};

interface Key {
  readonly code: string;
  readonly ctrlKey: boolean;
  readonly altKey: boolean;
  readonly metaKey: boolean;
  readonly shiftKey: boolean;
}

/** null: the key is not the player's. */
export function commandOf(key: Key): PlayerCommand | null {
  if (key.ctrlKey || key.altKey || key.metaKey || key.shiftKey) return null;
  const digit = /^(?:Digit|Numpad)(\d)$/.exec(key.code)?.[1];
  if (digit !== undefined) return { do: "to", part: Number(digit) / 10 };
  return Object.hasOwn(COMMANDS, key.code) ? (COMMANDS[key.code] ?? null) : null;
}
