import { icon } from "../../icons";

export const QuizIcon = icon(
  "Quiz",
  <path d="M4.5 4.5h15v15h-15zM8 9.2l1.4 1.4L12 8M8 15l1.4 1.4L12 13.8M14.5 9.5H17M14.5 15.3H17" />,
);
export const Fold = icon("Fold", <path d="M6 12h12" />);
export const Larger = icon("Larger", <path d="M14 4.5h5.5V10M10 19.5H4.5V14M19.5 4.5l-6 6M4.5 19.5l6-6" />);
