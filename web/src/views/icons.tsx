import type { ReactNode } from "react";

export function icon(name: string, content: ReactNode) {
  const Icon = () => (
    <svg className="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      {content}
    </svg>
  );
  Icon.displayName = name;
  return Icon;
}

const slash = <path d="M4 4l16 16" />;
const microphone = (
  <>
    <rect x="9" y="3" width="6" height="11" rx="3" />
    <path d="M5.5 11.5a6.5 6.5 0 0 0 13 0M12 18v3" />
  </>
);
const camera = (
  <>
    <rect x="3" y="6.5" width="12.5" height="11" rx="2.5" />
    <path d="M15.5 10.5l5-3v9l-5-3" />
  </>
);

export const Microphone = icon("Microphone", microphone);
export const MicrophoneOff = icon("MicrophoneOff", <>{microphone}{slash}</>);
export const Camera = icon("Camera", camera);
export const CameraOff = icon("CameraOff", <>{camera}{slash}</>);
export const Tools = icon("Tools", <path d="M4 5h16v10H4zM12 15v5M8 20h8M8 9h4M8 11.5h7" />);
export const Screen = icon(
  "Screen",
  <>
    <rect x="3" y="4.5" width="18" height="12" rx="2" />
    <path d="M8 20h8M12 13.5V8M9.5 10.2L12 7.7l2.5 2.5" />
  </>,
);
export const ScreenOff = icon(
  "ScreenOff",
  <>
    <rect x="3" y="4.5" width="18" height="12" rx="2" />
    <path d="M8 20h8M9.8 8.3l4.4 4.4M14.2 8.3l-4.4 4.4" />
  </>,
);
export const Hand = icon(
  "Hand",
  <path d="M8 12.5V6.2a1.4 1.4 0 0 1 2.8 0V11 4.6a1.4 1.4 0 0 1 2.8 0V11 6a1.4 1.4 0 0 1 2.8 0v6.2l.9-1.6a1.5 1.5 0 0 1 2.6 1.4l-2.4 5.6A5.6 5.6 0 0 1 12.3 21h-.5A5.8 5.8 0 0 1 6 15.2v-4.4a1 1 0 0 1 2 0z" />,
);
export const Chat = icon(
  "Chat",
  <path d="M5 5h14a2 2 0 0 1 2 2v8a2 2 0 0 1-2 2h-7l-4.5 3.5V17H5a2 2 0 0 1-2-2V7a2 2 0 0 1 2-2zM8 9.5h8M8 13h5" />,
);
export const People = icon(
  "People",
  <>
    <circle cx="9" cy="8.5" r="3.5" />
    <path d="M2.5 19.5a6.5 6.5 0 0 1 13 0M15.5 5.3a3.5 3.5 0 0 1 0 6.4M18 14.2a6.5 6.5 0 0 1 3.5 5.3" />
  </>,
);
export const View = icon(
  "View",
  <>
    <rect x="3" y="4.5" width="11.5" height="15" rx="1.8" />
    <rect x="17" y="4.5" width="4" height="4" rx="1" />
    <rect x="17" y="10" width="4" height="4" rx="1" />
    <rect x="17" y="15.5" width="4" height="4" rx="1" />
  </>,
);
export const Gallery = icon(
  "Gallery",
  <>
    <rect x="3" y="4.5" width="8" height="6.5" rx="1.5" />
    <rect x="13" y="4.5" width="8" height="6.5" rx="1.5" />
    <rect x="3" y="13" width="8" height="6.5" rx="1.5" />
    <rect x="13" y="13" width="8" height="6.5" rx="1.5" />
  </>,
);
export const Focus = icon("Focus", <rect x="3" y="4.5" width="18" height="15" rx="2" />);
export const Devices = icon(
  "Devices",
  <path d="M4 7h9M17 7h3M4 17h3M11 17h9M15 4.8a2.2 2.2 0 1 1 0 4.4 2.2 2.2 0 0 1 0-4.4zM9 14.8a2.2 2.2 0 1 1 0 4.4 2.2 2.2 0 0 1 0-4.4z" />,
);
export const Invite = icon(
  "Invite",
  <>
    <circle cx="9.5" cy="8.5" r="3.5" />
    <path d="M3 19.5a6.5 6.5 0 0 1 13 0M19 6v6M16 9h6" />
  </>,
);
export const FullScreen = icon("FullScreen", <path d="M4 9V5.5A1.5 1.5 0 0 1 5.5 4H9M15 4h3.5A1.5 1.5 0 0 1 20 5.5V9M20 15v3.5a1.5 1.5 0 0 1-1.5 1.5H15M9 20H5.5A1.5 1.5 0 0 1 4 18.5V15" />);
export const FullScreenExit = icon("FullScreenExit", <path d="M9 4v3.5A1.5 1.5 0 0 1 7.5 9H4M20 9h-3.5A1.5 1.5 0 0 1 15 7.5V4M15 20v-3.5a1.5 1.5 0 0 1 1.5-1.5H20M4 15h3.5A1.5 1.5 0 0 1 9 16.5V20" />);
export const Leave = icon("Leave", <path d="M13.5 4H7a2 2 0 0 0-2 2v12a2 2 0 0 0 2 2h6.5M10.5 12H21M17.5 8.5L21 12l-3.5 3.5" />);
export const More = icon(
  "More",
  <g className="icon-dots">
    <circle cx="5" cy="12" r="1.8" />
    <circle cx="12" cy="12" r="1.8" />
    <circle cx="19" cy="12" r="1.8" />
  </g>,
);
export const Close = icon("Close", <path d="M6 6l12 12M18 6L6 18" />);
export const Pin = icon("Pin", <path d="M9 3.5h6M10 3.5l-.6 6.2L6.5 13v1.5h11V13l-2.9-3.3-.6-6.2M12 14.5V21" />);
export const Unpin = icon("Unpin", <><path d="M9 3.5h6M10 3.5l-.6 6.2L6.5 13v1.5h11V13l-2.9-3.3-.6-6.2M12 14.5V21" />{slash}</>);
export const Copy = icon(
  "Copy",
  <>
    <rect x="8.5" y="8.5" width="11.5" height="11.5" rx="2" />
    <path d="M15.5 8.5V6a2 2 0 0 0-2-2H6a2 2 0 0 0-2 2v7.5a2 2 0 0 0 2 2h2.5" />
  </>,
);
export const Check = icon("Check", <path d="M5 12.5l4.5 4.5L19 7.5" />);
export const Speaker = icon("Speaker", <path d="M4 9.5v5h3.5L12 18.5v-13L7.5 9.5zM15.5 9a4 4 0 0 1 0 6M18 6.5a7.5 7.5 0 0 1 0 11" />);
export const Back = icon("Back", <path d="M14.5 5.5L8 12l6.5 6.5" />);
export const Next = icon("Next", <path d="M9.5 5.5L16 12l-6.5 6.5" />);
export const Send = icon("Send", <path d="M4 12l16-7.5-5 15-3.5-6z M11.5 13.5L20 4.5" />);
export const Warning = icon("Warning", <path d="M12 4.5l8.5 15h-17zM12 10v4.5M12 17v.2" />);
export const LineGood = icon("LineGood", <path d="M5 19v-3M10 19v-6.5M15 19V9M20 19V5.5" />);
export const LineWeak = icon("LineWeak", <><path d="M5 19v-3M10 19v-6.5" strokeWidth="3.4" /><path d="M15 19V9M20 19V5.5" opacity="0.4" /></>);
export const LineLost = icon("LineLost", <path d="M5 19v-3M10 19v-6.5M15 19V9M20 19V5.5M3.5 3.5l17 17" />);
export const Pictures = icon("Pictures", <><rect x="3.5" y="5" width="17" height="14" rx="2" /><path d="M4 16l4.5-4.5 4 4 2.5-2.5 5 5" /><circle cx="15.5" cy="9.5" r="1.3" /></>);
export const Lite = icon("Lite", <path d="M5 19c0-8 5-13 14.5-14C20 14 15.5 19 9 19c-1.8 0-3-.6-4-1.5M5 19c1.5-4 4-7 8-9" />);
export const Clock = icon("Clock", <><circle cx="12" cy="12" r="8.5" /><path d="M12 7.5V12l3 2" /></>);
export const Bell = icon(
  "Bell",
  <path d="M12 4a5.5 5.5 0 0 1 5.5 5.5c0 4.2 1.3 5.6 2.1 6.4v.9H4.4v-.9c.8-.8 2.1-2.2 2.1-6.4A5.5 5.5 0 0 1 12 4zM9.8 19.5a2.2 2.2 0 0 0 4.4 0" />,
);
export const Record = icon("Record", <><circle cx="12" cy="12" r="8.5" /><circle cx="12" cy="12" r="4" fill="currentColor" stroke="none" /></>);
export const NotRecorded = icon("NotRecorded", <><circle cx="12" cy="12" r="8.5" /><circle cx="12" cy="12" r="3" /><path d="M6 6l12 12" /></>);
export const Stop = icon("Stop", <><circle cx="12" cy="12" r="8.5" /><rect x="8.8" y="8.8" width="6.4" height="6.4" rx="1" fill="currentColor" stroke="none" /></>);
export const Play = icon("Play", <path d="M8 5.5v13l10.5-6.5z" fill="currentColor" />);
export const Pause = icon("Pause", <path d="M8.5 5.5v13M15.5 5.5v13" strokeWidth="3" />);
export const SpeakerOff = icon("SpeakerOff", <path d="M4 9.5v5h3.5L12 18.5v-13L7.5 9.5zM16 9.5l5 5M21 9.5l-5 5" />);
export const Download = icon("Download", <path d="M12 4v11M7.5 11L12 15.5l4.5-4.5M4.5 19.5h15" />);
export const Delete = icon("Delete", <path d="M4.5 7h15M9.5 7V4.5h5V7M6.5 7l1 12.5h9l1-12.5M10 10.5v5.5M14 10.5v5.5" />);
export const Film = icon(
  "Film",
  <>
    <rect x="3" y="5" width="18" height="14" rx="2" />
    <path d="M10 9v6l5-3z" fill="currentColor" />
  </>,
);
export const Find = icon("Find", <><circle cx="10.5" cy="10.5" r="6" /><path d="M15 15l5.5 5.5" /></>);
