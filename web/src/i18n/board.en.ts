import { counted } from "./plural";

const marks = counted("en", { one: "mark", other: "marks" });

/** Words about boards. */
export const boardWords = {
  board: {
    tool: "Board",
    toolHelp: "Draw and write for everybody; say who may draw with you",
    title: "Boards",
    make: "New board",
    none: "There is no board yet. A new one appears before everybody at once.",
    nameOf: (number: number) => `Board ${number}`,
    name: "Name of the board",
    saveName: "Save",
    rename: (name: string) => `Rename: ${name}`,
    show: "Show",
    hide: "Hide",
    isShown: "Everybody sees it now",
    marks: (count: number) => (count === 0 ? "empty" : marks(count)),
    remove: (name: string) => `Remove: ${name}`,
    removeAsk: "The board goes with all that is on it.",
    removeYes: "Remove the board",
    clear: "Clear the board",
    clearAsk: "All that is on it goes, for everybody, and does not come back.",
    all: "All boards as one file",
    who: "Who draws",
    whoNote: "You always may. Students change what they drew themselves.",
    everybody: "All students",
    view: "View of the board",
    picture: (name: string, count: number, words: string) =>
      `${name === "" ? "Board" : name}: ${count === 0 ? "empty" : marks(count)}${words === "" ? "" : `. Written: ${words}`}`,
    inkPicture: (count: number) => `Drawn on the page: ${marks(count)}`,
    larger: "Larger",
    smaller: "Smaller",
    whole: "Whole board",
    save: "Keep the board",
    savePng: "As a picture (PNG)",
    savePdf: "As a PDF",
    saveFailed: "The board could not be saved here. Try again.",
    laser: "Laser pointer",
    youMay: "You may draw on the board.",
    notLoaded: "The drawing tools did not load.",
    again: "Try again",
    inkOn: "Draw on the page",
    inkOff: "Stop drawing",
  },
};
