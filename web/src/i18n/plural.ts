import type { Language } from "./languages";

interface Forms {
  one: string;
  few?: string;
  many?: string;
  other: string;
}

/** A number with its noun in the right form, by the language's own rules (CLDR). */
export function counted(language: Language, forms: Forms): (n: number) => string {
  const rules = new Intl.PluralRules(language);
  return (n) => {
    const category = rules.select(n);
    const form = category === "one" || category === "few" || category === "many" ? forms[category] : undefined;
    return `${n} ${form ?? forms.other}`;
  };
}
