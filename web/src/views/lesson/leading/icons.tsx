import { icon } from "../../icons";

export const ToBoard = icon(
  "ToBoard",
  <>
    <path d="M3 4h18v9H12M3 4v5M7.5 17.5a2 2 0 1 0 0-4 2 2 0 0 0 0 4zM3.5 21a4 4 0 0 1 8 0" />
  </>,
);
export const Seat = icon("Seat", <path d="M7 4v9h10V4M5 13h14v3H5zM7 16v4M17 16v4" />);
export const Timer = icon(
  "Timer",
  <>
    <circle cx="12" cy="13.5" r="7.5" />
    <path d="M12 9.5v4l2.5 2M9.5 3h5M12 3v3" />
  </>,
);
export const Dice = icon(
  "Dice",
  <>
    <rect x="4" y="4" width="16" height="16" rx="3" />
    <path d="M8.5 8.5h.01M15.5 8.5h.01M12 12h.01M8.5 15.5h.01M15.5 15.5h.01" />
  </>,
);
export const Smile = icon(
  "Smile",
  <>
    <circle cx="12" cy="12" r="8.5" />
    <path d="M8.5 14.5a4 4 0 0 0 7 0M9 9.8h.01M15 9.8h.01" />
  </>,
);
export const Quiet = icon(
  "Quiet",
  <>
    <circle cx="12" cy="12" r="8.5" />
    <path d="M9 15.5h6M9 9.8h.01M15 9.8h.01" />
  </>,
);
export const Thumb = icon("Thumb", <path d="M7.5 11v9H4v-9zM7.5 11L11 3.8a2 2 0 0 1 2.5 2.3L12.8 10H18a2 2 0 0 1 2 2.4l-1.2 6A2 2 0 0 1 16.8 20H7.5" />);
export const Clap = icon(
  "Clap",
  <path d="M9 13.5L5.6 10a1.2 1.2 0 0 1 1.7-1.7l4 4M10 9.8L7.6 7.4a1.2 1.2 0 0 1 1.7-1.7l4.6 4.6M13.9 10.3l-.7-2a1.3 1.3 0 0 1 2.5-.8l1.5 5a6 6 0 0 1-1.6 5.9l-.3.3a5 5 0 0 1-7.2 0L5 15.4A1.2 1.2 0 0 1 6.6 13.7M13 3.5V2M16 4.3l.9-1.3M18.3 6.4l1.5-.7" />,
);
export const Slower = icon("Slower", <path d="M12 6l-6 6 6 6M19 6l-6 6 6 6" />);
export const Faster = icon("Faster", <path d="M5 6l6 6-6 6M12 6l6 6-6 6" />);
export const Lost = icon(
  "Lost",
  <>
    <circle cx="12" cy="12" r="8.5" />
    <path d="M9.6 9.6a2.5 2.5 0 1 1 3.6 2.2c-.8.4-1.2.9-1.2 1.8M12 16.5h.01" />
  </>,
);
