import { icon } from "../../icons";

export const BoardSign = icon("BoardSign", <path d="M3.5 4.5h17v12h-17zM8 20l2-3.5M16 20l-2-3.5M7 12.5c2-5 3.5 1.5 5-1s2.5-2 5 .5" />);
export const ZoomIn = icon("ZoomIn", <path d="M12 5v14M5 12h14" />);
export const ZoomOut = icon("ZoomOut", <path d="M5 12h14" />);
export const Fit = icon("Fit", <path d="M4 9V5h5M20 9V5h-5M4 15v4h5M20 15v4h-5" />);
export const Save = icon("Save", <path d="M12 4v11M7.5 11L12 15.5 16.5 11M5 20h14" />);
export const Plus = icon("Plus", <path d="M12 5v14M5 12h14" />);
export const Pen = icon("Pen", <path d="M4 20l1-4.5L16.5 4 20 7.5 8.5 19zM14 6.5L17.5 10" />);
export const Eraser = icon("Eraser", <path d="M9 19h11M4.5 14.5l9-9 5.5 5.5-8 8H8z" />);
export const Bin = icon("Bin", <path d="M5 7h14M10 4h4M7 7l1 13h8l1-13M10.5 11v5M13.5 11v5" />);
export const Laser = icon("Laser", <path d="M4 20l9-9M15 5V3M19 9h2M17.5 6.5L19 5M13 11l2-2" />);
