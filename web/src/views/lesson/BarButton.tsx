import type { ReactNode } from "react";

/** A button of the bar: icon above, word below. */
export function BarButton(props: {
  testId: string;
  label: string;
  hint: string;
  icon: ReactNode;
  off?: boolean;
  active?: boolean;
  pressed?: boolean;
  busy?: boolean;
  recording?: boolean;
  danger?: boolean;
  /** The rule of the lesson forbids it: a click says why. */
  forbidden?: boolean;
  badge?: number | null;
  state?: string;
  onClick: () => void;
}) {
  const names = ["bar-button"];
  if (props.off === true) names.push("off");
  if (props.active === true) names.push("active");
  if (props.recording === true) names.push("recording");
  if (props.danger === true) names.push("danger");
  if (props.forbidden === true) names.push("forbidden");
  return (
    <button
      type="button"
      id={`bar-${props.testId}`}
      className={names.join(" ")}
      aria-label={withLabel(props.label, props.hint)}
      aria-pressed={props.pressed}
      aria-busy={props.busy}
      aria-disabled={props.forbidden}
      title={props.hint}
      data-testid={props.testId}
      data-state={props.state}
      onClick={props.onClick}
    >
      <Face icon={props.icon} label={props.label} badge={props.badge ?? null} />
    </button>
  );
}

/** Who controls the page by voice says what is written on a button, so its name has that in it. */
function withLabel(label: string, hint: string): string {
  const words = (sentence: string) => ` ${sentence.toLocaleLowerCase().split(/[^\p{L}\p{N}]+/u).join(" ")} `;
  return words(hint).includes(words(label)) ? hint : `${label}: ${hint}`;
}

export function Face({ icon, label, badge = null }: { icon: ReactNode; label: string; badge?: number | null }) {
  return (
    <>
      <span className="bar-icon">
        {icon}
        {badge !== null && <b className="badge" data-count={badge > 99 ? "99+" : badge} />}
      </span>
      <span className="bar-label">{label}</span>
    </>
  );
}
