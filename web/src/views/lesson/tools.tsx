/** What a lesson can be taught with: one entry a capability. */

import type { ComponentType } from "react";

import type { LessonSurface } from "../../core/lesson";
import type { Dictionary } from "../../i18n";
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

export const TOOLS: readonly Tool[] = [GROUPS];

/** What stands over the pictures while there is reason to, whatever panel is open: each one draws nothing otherwise. */
export const CARDS: readonly ComponentType<ToolProps>[] = [GroupsCard];

export function toolsFor(leads: boolean): readonly Tool[] {
  return TOOLS.filter((tool) => leads || tool.for === "everybody");
}
