import { icon } from "../../icons";

export const Materials = icon("Materials", <path d="M3.5 7.5V18a1.5 1.5 0 0 0 1.5 1.5h14a1.5 1.5 0 0 0 1.5-1.5V9A1.5 1.5 0 0 0 19 7.5h-7L10 5H5a1.5 1.5 0 0 0-1.5 1.5z" />);
export const Sheet = icon("Sheet", <path d="M6 3.5h8.5L19 8v12.5H6zM14.5 3.5V8H19M9 12.5h7M9 16h7" />);
export const Picture = icon("Picture", <><rect x="3.5" y="5" width="17" height="14" rx="2" /><path d="M4 16.5l5-5 4 4 2.5-2.5 4.5 4.5" /><circle cx="15.5" cy="9.5" r="1.3" /></>);
export const Sound = icon("Sound", <><path d="M9 17.5V6l10-2v11.5" /><circle cx="6.5" cy="17.5" r="2.5" /><circle cx="16.5" cy="15.5" r="2.5" /></>);
export const Web = icon("Web", <><circle cx="12" cy="12" r="8.5" /><path d="M3.5 12h17M12 3.5c5 5.5 5 11.5 0 17M12 3.5c-5 5.5-5 11.5 0 17" /></>);
export const App = icon("App", <><rect x="4" y="4" width="6.5" height="6.5" rx="1.5" /><rect x="13.5" y="4" width="6.5" height="6.5" rx="1.5" /><rect x="4" y="13.5" width="6.5" height="6.5" rx="1.5" /><path d="M16.8 13.5v6.5M13.5 16.8H20" /></>);
export const Add = icon("Add", <path d="M12 5v14M5 12h14" />);
export const Up = icon("Up", <path d="M12 19V5.5M6.5 11L12 5.5l5.5 5.5" />);
export const Down = icon("Down", <path d="M12 5v13.5M6.5 13l5.5 5.5 5.5-5.5" />);
export const Rename = icon("Rename", <path d="M4.5 19.5l1-4L16.5 4.5l3 3L8.5 18.5z" />);
