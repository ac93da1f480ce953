import { useRef, useState } from "react";

import { groupChat, type Group, type Groups } from "../../../core/groups";
import type { LessonSurface } from "../../../core/lesson";
import { MAX_GROUP_NOTICE } from "../../../generated/wire";
import { useReadable } from "../../readable";
import { useText } from "../../text";
import { fullName } from "../initials";
import { Megaphone } from "./icons";
import { groupName, leftClock, useLeft } from "./reading";
import { Roster } from "./Roster";

const MORE_MINUTES = [1, 5] as const;

interface Props {
  lesson: LessonSurface;
  groups: Groups;
  onFailed: (error: unknown) => void;
}

/** Open groups as leaders see them: time, who is where and who speaks, going in, speaking and writing to all. */
export function OpenGroups({ lesson, groups, onFailed }: Props) {
  const text = useText();
  const left = useLeft(lesson, groups.endsAtMs);
  const recording = useReadable(lesson.recording);
  const speakers = useReadable(lesson.speakers);
  const fields = useReadable(lesson.fields);
  const self = useReadable(lesson.self);
  const ask = (request: Parameters<LessonSurface["request"]>[0]) => {
    lesson.request(request).catch(onFailed);
  };
  const extra = (group: Group) => {
    const name = groupName(text, group);
    const here = groups.mine?.id === group.id;
    const said = groupChat(fields, group.id, self.id);
    const speaking = group.students.filter((person) => speakers.includes(person.id));
    const others = group.leaders.filter((person) => person.id !== self.id);
    return {
      head: here ? (
        <span className="group-here">{text.groups.here}</span>
      ) : (
        <button
          type="button"
          className={group.asks === null ? "button small" : "button small primary"}
          aria-label={text.groups.goInto(name)}
          data-testid={`group-enter-${group.id}`}
          onClick={() => {
            ask({ t: "go_to_group", group: group.id });
          }}
        >
          {text.groups.goIn}
        </button>
      ),
      foot: (
        <>
          {group.asks !== null && <p className="group-note strong">{text.groups.asks}</p>}
          {others.length > 0 && <p className="group-note">{others.map((each) => text.groups.teacherHere(fullName(each))).join(" ")}</p>}
          <p className="group-note" data-testid={`group-speaks-${group.id}`}>
            {speaking.length > 0 ? `${speaking.map(fullName).join(", ")}: ${text.groups.speaks}` : ""}
          </p>
          {said.length > 0 && (
            <details className="group-said">
              <summary>{text.groups.readGroup(said.length)}</summary>
              <ol>
                {said.map((message) => (
                  <li key={message.id}>
                    <b>{message.name}</b> {message.text}
                  </li>
                ))}
              </ol>
            </details>
          )}
        </>
      ),
    };
  };
  return (
    <>
      <div className="groups-start">
        <p className="groups-left" data-testid="groups-left">
          {left === null ? text.groups.unlimited : text.groups.left(leftClock(left))}
        </p>
        <div className="groups-row">
          {MORE_MINUTES.map((minutes) => (
            <button
              key={minutes}
              type="button"
              className="button"
              data-testid={`groups-more-${minutes}`}
              onClick={() => {
                ask({ t: "extend_groups", minutes });
              }}
            >
              {text.groups.more(minutes)}
            </button>
          ))}
        </div>
        <button
          type="button"
          className="button danger"
          data-testid="groups-close"
          onClick={() => {
            ask({ t: "close_groups" });
          }}
        >
          {text.groups.close}
        </button>
        {recording !== null && recording.state !== "off" && <p className="field-note">{text.groups.notRecorded}</p>}
      </div>
      <SpeakToAll lesson={lesson} groups={groups} onFailed={onFailed} />
      <WriteToAll lesson={lesson} groups={groups} onFailed={onFailed} />
      <Roster lesson={lesson} groups={groups} extra={extra} onFailed={onFailed} />
    </>
  );
}

/** Being heard in every group: turns the microphone on for it, and off again if it was. */
function SpeakToAll({ lesson, groups, onFailed }: Props) {
  const text = useText();
  const self = useReadable(lesson.self);
  const wasOff = useRef(false);
  const speaking = groups.speech.includes(self.id);
  const press = async () => {
    if (!speaking) {
      wasOff.current = lesson.sources.get().microphone.state === "off";
      if (wasOff.current) await lesson.setSource("microphone", true);
      await lesson.request({ t: "speak_to_all", on: true });
      return;
    }
    await lesson.request({ t: "speak_to_all", on: false });
    if (wasOff.current) await lesson.setSource("microphone", false);
    wasOff.current = false;
  };
  return (
    <button
      type="button"
      className={speaking ? "button danger" : "button"}
      aria-pressed={speaking}
      data-testid="groups-speak"
      onClick={() => {
        press().catch(onFailed);
      }}
    >
      <Megaphone />
      {speaking ? text.groups.speakStop : text.groups.speak}
    </button>
  );
}

function WriteToAll({ lesson, groups, onFailed }: Props) {
  const text = useText();
  const [draft, setDraft] = useState("");
  const send = (words: string) => {
    lesson
      .request({ t: "tell_groups", text: words })
      .then(() => {
        setDraft("");
      })
      .catch(onFailed);
  };
  return (
    <form
      className="field"
      onSubmit={(event) => {
        event.preventDefault();
        if (draft.trim() !== "") send(draft.trim());
      }}
    >
      <label htmlFor="groups-notice">{text.groups.write}</label>
      <div className="groups-row">
        <input
          id="groups-notice"
          maxLength={MAX_GROUP_NOTICE}
          data-testid="groups-notice"
          value={draft}
          onChange={(event) => {
            setDraft(event.target.value);
          }}
        />
        <button type="submit" className="button" data-testid="groups-notice-send" disabled={draft.trim() === ""}>
          {text.groups.writeSend}
        </button>
      </div>
      {groups.notice !== null && (
        <div className="group-notice">
          <p>
            {text.groups.written} {groups.notice.text}
          </p>
          <button
            type="button"
            className="button small quiet"
            data-testid="groups-notice-away"
            onClick={() => {
              send("");
            }}
          >
            {text.groups.takeAway}
          </button>
        </div>
      )}
    </form>
  );
}
