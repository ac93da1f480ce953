import { icon } from "../../icons";

export const Reply = icon("Reply", <path d="M9.5 5.5L4 11l5.5 5.5M4.5 11H13a7 7 0 0 1 7 7v.5" />);
export const ChatOff = icon("ChatOff", <path d="M4 5.5h16v11h-8l-4.5 3.5v-3.5H4zM4 3l17 17" />);
export const Attach = icon("Attach", <path d="M8 12.5l6-6a3 3 0 0 1 4.2 4.2l-8 8a5 5 0 0 1-7-7l7.5-7.5" />);
