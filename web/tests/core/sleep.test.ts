import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { ASLEEP_MS, onWake } from "../../src/core/sleep";

beforeEach(() => void vi.useFakeTimers({ now: 0 }));
afterEach(() => void vi.useRealTimers());

it("tells once when timers stood for long, and not for late ones", async () => {
  let asleepMs = 0;
  const wake = vi.fn();
  const stop = onWake(wake, () => Date.now() + asleepMs);
  await vi.advanceTimersByTimeAsync(60_000);
  asleepMs += ASLEEP_MS - 1;
  await vi.advanceTimersByTimeAsync(1_000);
  expect(wake).not.toHaveBeenCalled();
  asleepMs += 15_000;
  await vi.advanceTimersByTimeAsync(5_000);
  expect(wake).toHaveBeenCalledTimes(1);
  stop();
  asleepMs += 15_000;
  await vi.advanceTimersByTimeAsync(5_000);
  expect(wake).toHaveBeenCalledTimes(1);
});
