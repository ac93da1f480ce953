import { icon } from "../../icons";

export const SlidesIcon = icon(
  "SlidesIcon",
  <>
    <rect x="3" y="5" width="18" height="12" rx="1.5" />
    <path d="M8 20.5l4-3.5 4 3.5M7.5 9h6M7.5 12.5h9" />
  </>,
);
export const Pointer = icon(
  "Pointer",
  <>
    <circle cx="12" cy="12" r="3" />
    <path d="M12 3v4M12 17v4M3 12h4M17 12h4" />
  </>,
);
export const Strip = icon("Strip", <path d="M3 5h18v8H3zM3 16.5h5v3.5H3zM9.5 16.5h5v3.5h-5zM16 16.5h5v3.5h-5z" />);
