/** What a lesson can be taught with: one entry a capability. */

import type { ComponentType } from "react";

import type { LessonSurface } from "../../core/lesson";
import type { Dictionary } from "../../i18n";
import { LeadingCards } from "./leading/LeadingCards";
import { PICKER_TOOL } from "./leading/picker";
import { TIMER_TOOL } from "./leading/timer";
import { Materials } from "./materials/icons";
import { MaterialsPanel } from "./materials/MaterialsPanel";
import { ChatAnnouncer } from "./chat/Announcer";
import { QuizCard } from "./quiz/QuizCard";
import { QUIZ_TOOL } from "./quiz/tool";
import { SlidesPanel } from "./slides";
import { SlidesIcon } from "./slides/icons";
import { BoardsPanel } from "./board/BoardsPanel";
import { BoardSign } from "./board/icons";
import { GROUPS, GroupsCard } from "./groups";

export interface ToolProps {
  readonly lesson: LessonSurface;
  readonly onFailed: (error: unknown) => void;
}

export interface Tool {
  /** Also its test ids: `tool-<name>` in the menu, `<name>-panel`. */
  readonly name: string;
  readonly for: "leaders" | "everybody";
  readonly Icon: ComponentType;
  readonly label: (text: Dictionary) => string;
  readonly help: (text: Dictionary) => string;
  /** What opens beside the pictures. */
  readonly Panel: ComponentType<ToolProps & { readonly onClose: () => void }>;
}

export const TOOLS: readonly Tool[] = [
  {
    name: "boards",
    for: "leaders",
    Icon: BoardSign,
    label: ({ board }) => board.tool,
    help: ({ board }) => board.toolHelp,
    Panel: BoardsPanel,
  },
  {
    name: "slides",
    for: "leaders",
    Icon: SlidesIcon,
    label: (text) => text.slides.title,
    help: (text) => text.slides.help,
    Panel: SlidesPanel,
  },
  QUIZ_TOOL,
  GROUPS,
  {
    name: "materials",
    for: "everybody",
    Icon: Materials,
    label: (text) => text.materials.title,
    help: (text) => text.materials.help,
    Panel: MaterialsPanel,
  },
  TIMER_TOOL,
  PICKER_TOOL,
];

/** What stands over the pictures while there is reason to, whatever panel is open: each one draws nothing otherwise. */
export const CARDS: readonly ComponentType<ToolProps>[] = [GroupsCard, QuizCard, LeadingCards, ChatAnnouncer];

export function toolsFor(leads: boolean): readonly Tool[] {
  return TOOLS.filter((tool) => leads || tool.for === "everybody");
}
