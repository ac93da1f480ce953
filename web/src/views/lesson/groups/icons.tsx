import { icon } from "../../icons";

export const Groups = icon(
  "Groups",
  <>
    <circle cx="6.5" cy="7" r="2.5" />
    <circle cx="17.5" cy="7" r="2.5" />
    <path d="M2.5 15a4 4 0 0 1 8 0M13.5 15a4 4 0 0 1 8 0M12 3v3M12 9v3M12 15v5" />
  </>,
);

export const Megaphone = icon(
  "Megaphone",
  <path d="M4 10v4h3l8 4.5V5.5L7 10zM18 9.5a3.5 3.5 0 0 1 0 5M7 14l1.5 5.5h2.4L9.6 15.4" />,
);

export const Shuffle = icon("Shuffle", <path d="M3 7h3.5c5 0 5.5 10 10.5 10H21M3 17h3.5c2 0 3.2-1.6 4.2-3.5M14 8.6C14.8 7.6 15.7 7 17 7h4M18 4l3 3-3 3M18 14l3 3-3 3" />);
