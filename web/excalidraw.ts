import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import type { Plugin } from "vite";

const NOTHING = "\0not-used-of-excalidraw";
const LANGUAGES = ["en", "ru-RU"];

/**
 * Excalidraw (0.18.1) as our pages take it: without diagrams from text (mermaid, 2 MB that nothing here calls),
 * without what cuts fonts for its own SVG files (2 MB too), without languages that the pages do not speak, and with no address of another host, where it would fall back to
 * for each of its fonts: the Content-Security-Policy would refuse every one of them aloud. Boards are written in one
 * kind of letters, Liberation Sans, which is laid beside the pages.
 */
export function excalidraw(): Plugin {
  return {
    name: "zvonok-excalidraw",
    enforce: "pre",
    resolveId(source, importer) {
      if (source === "@excalidraw/mermaid-to-excalidraw" || /subset-(shared|worker)\.chunk/.test(source)) return NOTHING;
      const language = /\/locales\/([A-Za-z-]+)-[A-Z0-9]+\.js$/.exec(source)?.[1];
      if (importer?.includes("@excalidraw") === true && language !== undefined && !LANGUAGES.includes(language)) return NOTHING;
      return null;
    },
    load(id) {
      return id === NOTHING ? "export default {}; export const parseMermaidToExcalidraw = () => Promise.reject(new Error());" : null;
    },
    generateBundle() {
      const path = fileURLToPath(new URL(`node_modules/@excalidraw/excalidraw/dist/prod/${LETTERS}`, import.meta.url));
      this.emitFile({ type: "asset", fileName: `assets/board/${LETTERS}`, source: readFileSync(path) });
    },
    transform(code, id) {
      if (!id.includes("@excalidraw/excalidraw/dist/") || !code.includes(ELSEWHERE)) return null;
      return { code: code.replaceAll(ELSEWHERE, "${location.origin}/"), map: null };
    },
  };
}

const ELSEWHERE = "https://esm.sh/";
const LETTERS = "fonts/Liberation/LiberationSans-Regular.woff2";
