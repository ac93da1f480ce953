/** Two notes that tell of what must not be missed: a recording starts (up) or stops (down), one is asked to the board,
 * the time is up. */

const NOTES_HZ = { start: [659.25, 880], stop: [880, 587.33], ask: [523.25, 783.99], time: [783.99, 783.99, 1046.5] } as const;

export type Chime = keyof typeof NOTES_HZ;

const NOTE_S = 0.16;
const LOUDNESS = 0.12;
/** A browser that wants a click first never says no: it just does not begin. */
const MAY_TAKE_MS = 400;

/**
 * Plays the notes on `speaker` (null: the system's). false: the browser does not let this page sound now. Never
 * rejects.
 */
export async function chime(which: Chime, speaker: string | null): Promise<boolean> {
  if (typeof AudioContext !== "function") return false;
  const context = new AudioContext();
  try {
    if (speaker !== null) await direct(context, speaker);
    if (!(await runs(context))) return false;
    NOTES_HZ[which].forEach((hz, index) => {
      const note = new OscillatorNode(context, { frequency: hz });
      const volume = new GainNode(context, { gain: 0 });
      const start = context.currentTime + 0.02 + index * NOTE_S;
      volume.gain.setValueAtTime(0, start);
      volume.gain.linearRampToValueAtTime(LOUDNESS, start + 0.02);
      volume.gain.linearRampToValueAtTime(0, start + NOTE_S * 1.5);
      note.connect(volume).connect(context.destination);
      note.start(start);
      note.stop(start + NOTE_S * 1.5);
    });
    await after(1000 * NOTE_S * (NOTES_HZ[which].length + 1));
    return true;
  } catch {
    return false;
  } finally {
    await context.close().catch(() => undefined);
  }
}

async function runs(context: AudioContext): Promise<boolean> {
  if (context.state === "running") return true;
  await Promise.race([context.resume(), after(MAY_TAKE_MS)]);
  // @ts-expect-error TypeScript does not see that the state changes while one waits.
  return context.state === "running";
}

/** Not every browser can; the system's speaker will do then. */
async function direct(context: AudioContext, speaker: string): Promise<void> {
  const { setSinkId } = context as { setSinkId?: (id: string) => Promise<void> };
  await setSinkId?.call(context, speaker).catch(() => undefined);
}

function after(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
