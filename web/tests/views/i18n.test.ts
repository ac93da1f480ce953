import { describe, expect, it } from "vitest";

import { chooseLanguage, DICTIONARIES, knownRefusal, REFUSAL_CODES, refusalAction } from "../../src/i18n";

/** Every sentence of a dictionary with its place; functions are called with plain values. */
function sentences(value: unknown, path: string): [string, string][] {
  if (typeof value === "string") return [[path, value]];
  if (typeof value === "function") {
    const say = value as (...args: unknown[]) => string;
    return [[path, path.endsWith("chat") ? say("Ann", "hello") : say(3, 3)]];
  }
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => sentences(inner, `${path}.${key}`));
}

const RU = new Map(sentences(DICTIONARIES.ru, ""));
const EN = new Map(sentences(DICTIONARIES.en, ""));

describe("dictionaries", () => {
  it("have the same places in both languages", () => {
    expect([...RU.keys()]).toEqual([...EN.keys()]);
  });

  it("leave no sentence empty", () => {
    for (const [place, sentence] of [...RU, ...EN]) expect(sentence.trim(), place).not.toBe("");
  });

  it("say in Russian what is Russian and in English what is English", () => {
    const own = new Set([".language.en", ".language.ru"]);
    for (const [place, sentence] of RU) if (!own.has(place)) expect(sentence, place).toMatch(/[а-яё]|^\d+ \S+ 3$/iu);
    for (const [place, sentence] of EN) if (!own.has(place)) expect(sentence, place).not.toMatch(/[а-яё]/iu);
  });

  it("count in Russian by its own rules", () => {
    const { people } = DICTIONARIES.ru.common;
    expect([1, 2, 5, 11, 21, 22].map(people)).toEqual([
      "1 человек", "2 человека", "5 человек", "11 человек", "21 человек", "22 человека",
    ]);
  });
});

describe("refusals", () => {
  /** The server's codes as its documentation lists them. */
  const SERVER = `link_unknown link_expired lesson_ended lesson_full lesson_locked removed name_empty name_too_long
    name_bad_characters name_taken_teacher not_your_lesson sign_in_key_used sign_in_key_bad not_signed_in rate_limited door_queue
    ticket_bad ticket_expired version_mismatch hello_timeout message_malformed message_too_big message_out_of_order
    not_allowed not_found text_empty offer_malformed offer_too_big offer_no_codec offer_sections no_worker worker_lost
    stale_epoch stale_number bad_request origin_refused internal shutting_down slow
    recording_running recording_unavailable address_expired library_key_bad video_busy withdrawal_unknown
    calm reactions_off nobody_to_pick slides_unfit slides_full slides_busy
    file_too_big file_type_refused file_empty file_broken picture_too_large
    lesson_files_full materials_full no_room upload_broken link_refused
    quiz_closed quiz_answered quiz_full board_full too_many_boards`.split(/\s+/);

  it.each(SERVER)("%s is known", (code) => {
    expect(knownRefusal(code)).toBe(code);
  });

  it.each(["ru", "en"] as const)("have each a sentence of their own and a button in %s", (language) => {
    const { refusals, refusalActions } = DICTIONARIES[language];
    for (const code of REFUSAL_CODES) {
      expect(refusals[code].length, code).toBeGreaterThan(15);
      expect(refusalActions[refusalAction(code)].length, code).toBeGreaterThan(3);
    }
  });

  it("take an unknown code of a newer server for a mistake on the server", () => {
    expect(knownRefusal("brand_new")).toBe("internal");
    expect(knownRefusal("toString")).toBe("internal");
  });
});

describe("chooseLanguage", () => {
  it.each([
    [null, ["ru-RU", "en"], "ru"],
    [null, ["en-GB"], "en"],
    [null, ["tt-RU", "ru"], "ru"],
    [null, ["de", "fr"], "en"],
    [null, [], "en"],
    ["en", ["ru"], "en"],
    ["xx", ["ru"], "ru"],
  ])("kept %j, browser %j", (kept, wanted, language) => {
    expect(chooseLanguage(kept, wanted)).toBe(language);
  });
});
