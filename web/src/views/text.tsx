import { createContext, useContext, useEffect, useMemo, useState, type ReactNode } from "react";

import { DICTIONARIES, chooseLanguage, isLanguage, type Dictionary, type Language as Tongue } from "../i18n";
import { remember, remembered, storedAs } from "./remember";

interface Words {
  language: Tongue;
  text: Dictionary;
  setLanguage: (language: Tongue) => void;
}

const Context = createContext<Words | null>(null);

/** Gives every view below the words of the chosen language and keeps `<html lang>` true to it. */
export function Language({ children, initial }: { children: ReactNode; initial?: Tongue }) {
  const [language, setLanguage] = useState<Tongue>(
    () => initial ?? chooseLanguage(remembered("language"), navigator.languages),
  );
  useEffect(() => {
    document.documentElement.lang = language;
  }, [language]);
  // Another tab of the site has changed it.
  useEffect(() => {
    const follow = ({ key, newValue }: StorageEvent) => {
      if (key === storedAs("language") && isLanguage(newValue)) setLanguage(newValue);
    };
    addEventListener("storage", follow);
    return () => {
      removeEventListener("storage", follow);
    };
  }, []);
  const words = useMemo<Words>(
    () => ({
      language,
      text: DICTIONARIES[language],
      setLanguage: (next) => {
        remember("language", next);
        setLanguage(next);
      },
    }),
    [language],
  );
  return <Context.Provider value={words}>{children}</Context.Provider>;
}

export function useWords(): Words {
  const words = useContext(Context);
  if (words === null) throw new Error("useWords outside of <Language>");
  return words;
}

export function useText(): Dictionary {
  return useWords().text;
}
