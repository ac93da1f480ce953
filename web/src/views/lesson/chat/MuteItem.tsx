import { isMuted } from "../../../core/chat";
import type { LessonSurface } from "../../../core/lesson";
import { Chat } from "../../icons";
import { MenuItem } from "../../popover";
import { useReadable } from "../../readable";
import { useText } from "../../text";
import { ChatOff } from "./icons";

/** In a student's menu: whether they may write in the chat. */
export function ChatMuteItem(props: {
  lesson: LessonSurface;
  participant: string;
  close: () => void;
  onFailed: (error: unknown) => void;
}) {
  const text = useText();
  const muted = isMuted(useReadable(props.lesson.fields), props.participant);
  return (
    <MenuItem
      testId={`chat-mute-${props.participant}`}
      icon={muted ? <Chat /> : <ChatOff />}
      label={muted ? text.chat.unmute : text.chat.mute}
      {...(muted ? { help: text.chat.isMuted } : {})}
      onClick={() => {
        props.close();
        props.lesson.request({ t: "mute_chat", participant: props.participant, on: !muted }).catch(props.onFailed);
      }}
    />
  );
}
