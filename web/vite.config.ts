import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

import { excalidraw } from "./excalidraw.ts";

/** Where `npm run dev` finds a running server. */
const server = "http://localhost:8080";

export default defineConfig({
  plugins: [react(), excalidraw()],
  build: {
    target: "es2022",
    // The pages' Content-Security-Policy allows neither data: nor inline scripts.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    sourcemap: true,
  },
  server: {
    proxy: {
      "/api": server,
      "/ws": { target: server, ws: true },
    },
  },
  test: {
    include: ["tests/**/*.test.{ts,tsx}"],
    environment: "node",
    // Half of the time is starting a file's own world; the default leaves one of two cores idle.
    pool: "threads",
    maxWorkers: "100%",
    testTimeout: 10_000,
    unstubGlobals: true,
    restoreMocks: true,
  },
});
