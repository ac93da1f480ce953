/** Groups: the leaders' tool, and the strip that tells everybody where they are. */

import type { Tool } from "../tools";
import { GroupsPanel } from "./GroupsPanel";
import { Groups } from "./icons";

export { GroupsCard } from "./GroupsCard";

export const GROUPS: Tool = {
  name: "groups",
  for: "leaders",
  Icon: Groups,
  label: (text) => text.groups.title,
  help: (text) => text.groups.help,
  Panel: GroupsPanel,
};
