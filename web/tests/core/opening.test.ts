import { describe, expect, it } from "vitest";

import { opening, readLocalTime } from "../../src/core/opening";

const NOW = new Date(2027, 8, 1, 8, 18).getTime();
const after = (seconds: number) => NOW + seconds * 1000;
/** Some versions of ICU write a narrow space before AM and PM. */
const plain = (words: string | undefined) => words?.replaceAll(/\s/gu, " ");

describe("when a lesson opens", () => {
  it("is nothing any more once it is time", () => {
    expect(opening(NOW, NOW, "en")).toBeNull();
    expect(opening(NOW - 1, NOW, "ru")).toBeNull();
  });

  it.each([
    [1, "in 1 second", "через 1 секунду"],
    [119, "in 119 seconds", "через 119 секунд"],
    [120, "in 2 minutes", "через 2 минуты"],
    [11 * 60 + 1, "in 12 minutes", "через 12 минут"],
    [2 * 3600, "in 2 hours", "через 2 часа"],
    [2 * 86_400, "in 2 days", "через 2 дня"],
  ])("is told %d s before", (seconds, en, ru) => {
    expect(opening(after(seconds), NOW, "en")?.left).toBe(en);
    expect(opening(after(seconds), NOW, "ru")?.left).toBe(ru);
  });

  it("is the time alone on the same day, with the day otherwise", () => {
    const today = opening(after(720), NOW, "en-US");
    expect([today?.today, plain(today?.when)]).toEqual([true, "08:30 AM"]);
    expect(opening(after(720), NOW, "ru")?.when).toBe("08:30");
    const tomorrow = opening(after(720 + 86_400), NOW, "ru");
    expect(tomorrow?.today).toBe(false);
    expect(tomorrow?.when).toContain("2 сентября");
    expect(tomorrow?.when).toContain("08:30");
  });
});

describe("a local time field", () => {
  it("is read in the zone of the device", () => {
    expect(readLocalTime("2027-09-01T08:18")).toBe(NOW);
    expect(readLocalTime("")).toBeNull();
  });
});
