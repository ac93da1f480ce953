import type { Told } from "../core/turn";
import { useCountdown } from "./problems";
import { useText } from "./text";

/** A place in the queue at the door, counting down; nothing to press. */
export function QueueNotice({ told }: { told: Told }) {
  return <Counting key={told.asked} told={told} />;
}

function Counting({ told }: { told: Told }) {
  const text = useText();
  const left = Math.max(1, useCountdown(told.waitS));
  const place = Math.max(1, Math.ceil((told.place * left) / Math.max(1, told.waitS)));
  return (
    <section className="card" data-testid="door-queue" data-place={place}>
      {/* read out once; the numbers under it change each second */}
      <p className="busy" role="status">
        <span className="busy-mark" aria-hidden="true" />
        {text.queue.title}
      </p>
      <p className="lead">{text.queue.place(place, left)}</p>
      <p className="note">{text.queue.help}</p>
    </section>
  );
}
