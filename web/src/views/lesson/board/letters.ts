/** Where Excalidraw looks for its letters; it asks when it starts, so this comes before it. */

declare global {
  interface Window {
    EXCALIDRAW_ASSET_PATH?: string | string[];
  }
}

window.EXCALIDRAW_ASSET_PATH = "/assets/board/";

export {};
