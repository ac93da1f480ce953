import { en, type Dictionary } from "./en";
import { ru } from "./ru";
import type { Language } from "./languages";

export type { Dictionary } from "./en";
export { LANGUAGES, chooseLanguage, isLanguage, localeOf, type Language } from "./languages";
export {
  REFUSAL_CODES,
  knownRefusal,
  refusalAction,
  type RefusalAction,
  type RefusalCode,
} from "./refusals";

export const DICTIONARIES: Record<Language, Dictionary> = { ru, en };
