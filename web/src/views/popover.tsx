import { useId, useRef, useState, type KeyboardEvent, type ReactNode } from "react";

interface Props {
  /** Accessible name of the button. */
  label: string;
  testId: string;
  className?: string;
  title?: string;
  /** What the button shows. */
  face: ReactNode;
  /** The list or form; a function gets what closes it. */
  children: ReactNode | ((close: () => void) => ReactNode);
}

/**
 * A button with a small panel in the browser's top layer: closes by Escape or a click elsewhere. What is in it
 * is made when it opens: a class of thirty has a menu on every picture.
 */
export function Popover({ label, testId, className = "icon-button", title, face, children }: Props) {
  const id = useId();
  const button = useRef<HTMLButtonElement>(null);
  const panel = useRef<HTMLDivElement>(null);
  const [open, setOpen] = useState(false);
  const close = () => {
    document.getElementById(id)?.hidePopover();
  };
  return (
    <>
      <button
        ref={button}
        type="button"
        className={className}
        aria-label={label}
        title={title}
        aria-haspopup="dialog"
        data-testid={testId}
        popoverTarget={id}
      >
        {face}
      </button>
      {/* The keys only move the focus between the buttons inside, which take all presses themselves. */}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-element-interactions */}
      <div
        ref={panel}
        id={id}
        popover="auto"
        className="popover"
        role="dialog"
        aria-label={label}
        onKeyDown={moveByArrows}
        onBeforeToggle={(event) => {
          if (event.newState === "open") setOpen(true);
        }}
        onToggle={(event) => {
          if (event.newState !== "open") setOpen(false);
          if (event.newState !== "open" || button.current === null || panel.current === null) return;
          place(panel.current, button.current.getBoundingClientRect());
          panel.current.querySelector<HTMLElement>(FOCUSABLE)?.focus();
        }}
      >
        {open && (typeof children === "function" ? children(close) : children)}
      </div>
    </>
  );
}

const FOCUSABLE = "button:not(:disabled), select:not(:disabled), input:not(:disabled), a[href]";
const EDGE = 8;

/** Beside the button where there is room: above it when it is in the lower half, and never over the edge. */
function place(panel: HTMLElement, anchor: DOMRect): void {
  const { offsetWidth: width, offsetHeight: height } = panel;
  const above = anchor.top > window.innerHeight / 2;
  const top = above ? anchor.top - height - EDGE : anchor.bottom + EDGE;
  const left = anchor.left + anchor.width / 2 - width / 2;
  panel.style.top = `${clamp(top, EDGE, window.innerHeight - height - EDGE)}px`;
  panel.style.left = `${clamp(left, EDGE, window.innerWidth - width - EDGE)}px`;
}

function clamp(value: number, low: number, high: number): number {
  return Math.max(low, Math.min(value, Math.max(low, high)));
}

function moveByArrows(event: KeyboardEvent<HTMLElement>): void {
  if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
  if (event.target instanceof HTMLSelectElement) return;
  const all = [...event.currentTarget.querySelectorAll<HTMLElement>(FOCUSABLE)];
  const at = all.indexOf(document.activeElement as HTMLElement);
  const step = event.key === "ArrowDown" ? 1 : -1;
  all[(at + step + all.length) % all.length]?.focus();
  event.preventDefault();
}

/** One line of a menu. */
export function MenuItem(props: {
  testId: string;
  icon?: ReactNode;
  label: string;
  help?: string;
  pressed?: boolean;
  danger?: boolean;
  disabled?: boolean;
  state?: string;
  onClick: () => void;
}) {
  return (
    <button
      type="button"
      className={props.danger === true ? "menu-item danger" : "menu-item"}
      aria-pressed={props.pressed}
      disabled={props.disabled}
      data-testid={props.testId}
      data-state={props.state}
      onClick={props.onClick}
    >
      {props.icon}
      <span>
        {props.label}
        {props.help !== undefined && <small>{props.help}</small>}
      </span>
    </button>
  );
}
