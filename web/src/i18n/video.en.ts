import { counted } from "./plural";

const videos = counted("en", { one: "video lesson", other: "video lessons" });
const wholeParts = counted("en", { one: "whole part", other: "whole parts" });
const files = counted("en", { one: "file", other: "files" });
const list = new Intl.ListFormat("en");

/** What of a student is recorded, as a list of nouns. */
function things(voice: boolean, camera: boolean, screen: boolean): string[] {
  return [...(voice ? ["voice"] : []), ...(camera ? ["camera"] : []), ...(screen ? ["screen"] : [])];
}

/** Words about recording a lesson and watching it. */
export const videoWords = {
  recording: {
    button: "Record",
    buttonHint: "Record the lesson",
    stop: "Stop",
    stopHint: "Stop recording",
    title: "Record the lesson",
    what: "Recorded are you and what you show. After the lesson the video is in the library.",
    alsoStudents: "Record of students too",
    voices: "Voices of students",
    cameras: "Cameras of students",
    screens: "Screens that students show",
    consent: "Everybody is told when the recording starts and stops, and what is recorded of them. Chat messages and raised hands are kept with the video. Record students only if they and their parents have agreed.",
    start: "Start recording",
    choose: "What is recorded…",
    whileRunning: "This can be changed once the recording is stopped.",
    label: "Recording",
    starting: "Recording starts…",
    on: "Recording",
    leaders: "You and what you show are recorded.",
    leadersAnd: (voice: boolean, camera: boolean, screen: boolean) =>
      `You and what you show are recorded; of students: ${list.format(things(voice, camera, screen))}.`,
    nothing: "You are not recorded: only the teacher and what the teacher shows.",
    ofYou: (voice: boolean, camera: boolean, screen: boolean) => {
      const own = things(voice, camera, screen);
      return `Your ${list.format(own)} ${own.length > 1 ? "are" : "is"} recorded.`;
    },
    chat: "The chat is kept with the video.",
    stopped: "The recording has stopped.",
    spokenStarting: (what: string) => `Recording starts. ${what}`,
    spokenOn: (what: string) => `The lesson is being recorded. ${what}`,
    failures: {
      no_recorder: "The recording has stopped: no recorder is free on the server. What was recorded before is kept.",
      disk_full: "The recording has stopped: there is no room left on the server. What was recorded before is kept. Tell the administrator.",
      failed: "The recording has stopped because of an error on the server. What was recorded before is kept.",
    },
    again: "Record again",
  },
  video: {
    watch: "Watch the video lesson",
    ready: "The video lesson is ready.",
    making: "The video lesson is being made. This takes a few seconds.",
    makingTitle: "The video lesson is being made",
    makingHelp: "It opens here by itself as soon as it is ready.",
    failed: "The video lesson could not be made. Tell the administrator.",
    failedTitle: "No video lesson",
    link: "Video lesson",
    linkMaking: "Video is being made…",
    linkFailed: "Video could not be made",
  },
  library: {
    title: "Library of video lessons",
    link: "Library",
    search: "Find in titles",
    subject: "Subject",
    grade: "Grade",
    teacher: "Teacher",
    any: "All",
    filters: "Filters",
    clear: "Show all",
    count: (n: number) => videos(n),
    countMore: (n: number) => `${videos(n)} shown, there are more`,
    more: "Show more",
    nothing: "Nothing found",
    nothingHelp: "No video lesson fits these filters.",
    empty: "No video lessons yet",
    emptyHelp: "A lesson that was recorded is here a few seconds after its end.",
    own: "yours",
    signingIn: "Opening the library…",
    howTitle: "How to open the library",
    how: "Open the library link that your school gave you. It works on every device, for a month.",
    howTeacher: "Teachers who are signed in need no library link.",
    howAdmin: "The administrator finds the link where the server was started, or makes another one with this command:",
    failed: "The library did not open",
  },
  player: {
    label: "Player",
    play: "Play",
    pause: "Pause",
    seek: "Place in the video",
    at: (now: string, whole: string) => `${now} of ${whole}`,
    mute: "Turn the sound off",
    unmute: "Turn the sound on",
    volume: "Volume",
    speed: "Speed",
    fullScreen: "Full screen",
    fullScreenExit: "Leave full screen",
    download: "Download",
    loading: "Loading…",
    parts: "Parts",
    part: (number: number, at: string) => `Part ${number}, from ${at}`,
    partShort: (number: number) => `Part ${number}`,
    keys: "Keys: space to play and pause, arrows left and right 5 s, J and L 10 s, arrows up and down for the volume, M sound off, F full screen, 0 to 9 to a place in the video.",
    keysTitle: "Keyboard",
    unplayable: "The video cannot be played. It can be downloaded and opened in another program.",
    unplayableTitle: "The video stops here",
    chat: "Chat and hands",
    chatEmpty: "Nobody wrote in the chat or raised a hand.",
    chatNothingYet: "Nothing up to here.",
    chatFailed: "Chat and hands did not load.",
    raised: (name: string) => `${name} raised a hand`,
    handsUp: "Hands up now",
    seekTo: (at: string) => `Go to ${at}`,
    toLibrary: "To the library",
    toLesson: "To the lesson’s page",
    recorded: (date: string) => `Recorded ${date}`,
    lost: (things: { picture: string | null; sound: string | null; parts: number; journals: number }) =>
      `Lost while this lesson was recorded: ${list.format([
        ...(things.picture === null ? [] : [`the picture for ${things.picture}`]),
        ...(things.sound === null ? [] : [`the sound for ${things.sound}`]),
        ...(things.parts === 0 ? [] : [wholeParts(things.parts)]),
        ...(things.journals === 0 ? [] : [`something in ${files(things.journals)}`]),
      ])}.`,
    remove: "Delete",
    removeTitle: "Delete the video lesson for ever?",
    removeHelp: (title: string) => `“${title}” is deleted for ever, with its chat. Nobody can watch it any more, and it cannot be brought back.`,
    removeYes: "Delete for ever",
    removing: "Deleting…",
  },
};
