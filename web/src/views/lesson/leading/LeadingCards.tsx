import { useReadable } from "../../readable";
import type { ToolProps } from "../tools";
import { CallsOfLeaders, OwnCall } from "./calling";
import { CalmCard } from "./calm";
import { PickedCard } from "./picker";
import { ReactionCounts } from "./reactions";
import { TimerCard } from "./timer";

/** Over the lower edge of the pictures: what a student must not miss, the time, how the class reacts. */
export function LeadingCards(props: ToolProps) {
  const { leads } = useReadable(props.lesson.self);
  return (
    <div className="leading" data-testid="leading">
      <PickedCard {...props} />
      {leads ? <CallsOfLeaders {...props} /> : <OwnCall {...props} />}
      <CalmCard {...props} />
      <div className="leading-pills">
        <TimerCard {...props} />
        <ReactionCounts {...props} />
      </div>
    </div>
  );
}
