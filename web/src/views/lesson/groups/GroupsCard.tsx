import { useEffect, useState } from "react";

import { groupChat, MINUTE_MS, type Group, type Groups } from "../../../core/groups";
import type { LessonSurface } from "../../../core/lesson";
import { MAX_CHAT } from "../../../generated/wire";
import type { Dictionary } from "../../../i18n";
import { Close, Send } from "../../icons";
import { useReadable } from "../../readable";
import { useText } from "../../text";
import { fullName } from "../initials";
import type { ToolProps } from "../tools";
import { groupName, leftClock, useGroups, useLeft } from "./reading";

const OVER_MS = 6_000;

/** Above the pictures while groups are open: where one is, how long, and what one can do there. */
export function GroupsCard({ lesson, onFailed }: ToolProps) {
  const groups = useGroups(lesson);
  const open = groups?.open === true;
  const over = useOver(open);
  const text = useText();
  if (groups === null || !open) {
    return over ? (
      <div className="groups-strip" role="status" data-testid="groups-over">
        <p>{text.groups.over}</p>
      </div>
    ) : null;
  }
  return <Strip lesson={lesson} groups={groups} onFailed={onFailed} />;
}

/** Whether groups were closed a moment ago. */
function useOver(open: boolean): boolean {
  const [was, setWas] = useState(open);
  const [over, setOver] = useState(false);
  if (was !== open) {
    setWas(open);
    setOver(was);
  }
  useEffect(() => {
    if (!over) return;
    const timer = setTimeout(() => {
      setOver(false);
    }, OVER_MS);
    return () => {
      clearTimeout(timer);
    };
  }, [over]);
  return over;
}

function Strip({ lesson, groups, onFailed }: { lesson: LessonSurface; groups: Groups; onFailed: (error: unknown) => void }) {
  const text = useText();
  const self = useReadable(lesson.self);
  const recording = useReadable(lesson.recording);
  const left = useLeft(lesson, groups.endsAtMs);
  const [chat, setChat] = useState(false);
  const [closed, setClosed] = useState<number | null>(null);
  const lastMinute = left !== null && left <= MINUTE_MS;
  const where = whereabouts(text, groups, self);
  const ask = (request: Parameters<LessonSurface["request"]>[0]) => {
    lesson.request(request).catch(onFailed);
  };
  const { mine, notice } = groups;
  const heard = groups.speech.filter((who) => who !== self.id).map((who) => lesson.nameOf(who));
  return (
    <section className={lastMinute ? "groups-strip last" : "groups-strip"} aria-label={text.groups.title} data-testid="groups-card">
      <div className="groups-line">
        <p className="groups-where" data-testid="groups-where" data-group={mine?.id ?? ""}>
          {where}
        </p>
        {left !== null && (
          <p className="groups-left" data-testid="groups-clock" role="timer">
            {text.groups.left(leftClock(left))}
          </p>
        )}
        <div className="groups-row">
          {self.leads
            ? mine !== null && (
                <button
                  type="button"
                  className="button"
                  data-testid="groups-back"
                  onClick={() => {
                    ask({ t: "go_to_group", group: null });
                  }}
                >
                  {text.groups.back}
                </button>
              )
            : mine !== null && (
                <>
                  {mine.leaders.length === 0 && (
                    <button
                      type="button"
                      className="button"
                      aria-pressed={mine.asks !== null}
                      data-testid="groups-ask"
                      onClick={() => {
                        ask({ t: "ask_in", on: mine.asks === null });
                      }}
                    >
                      {mine.asks === null ? text.groups.ask : text.groups.askedAlready}
                    </button>
                  )}
                  <ChatButton lesson={lesson} group={mine} open={chat} onOpen={setChat} />
                </>
              )}
          {!self.leads && groups.choose && (
            <select
              className="select"
              aria-label={text.groups.change}
              data-testid="groups-change"
              value={mine?.id ?? ""}
              onChange={(event) => {
                ask({ t: "go_to_group", group: event.target.value });
              }}
            >
              {mine === null && <option value="">{text.groups.change}</option>}
              {groups.list.map((group) => (
                <option key={group.id} value={group.id}>
                  {groupName(text, group)} · {group.students.length}
                </option>
              ))}
            </select>
          )}
        </div>
      </div>
      {self.leads &&
        groups.list
          .filter((group) => group.asks !== null)
          .map((group) => (
            <div key={group.id} className="groups-line asks" data-testid={`groups-asked-${group.id}`}>
              <p>{text.groups.asked(groupName(text, group))}</p>
              <div className="groups-row">
                <button
                  type="button"
                  className="button primary"
                  onClick={() => {
                    ask({ t: "go_to_group", group: group.id });
                  }}
                  data-testid={`groups-answer-${group.id}`}
                >
                  {text.groups.goIn}
                </button>
                <button
                  type="button"
                  className="button"
                  onClick={() => {
                    ask({ t: "ask_in", on: false, group: group.id });
                  }}
                >
                  {text.groups.later}
                </button>
              </div>
            </div>
          ))}
      {heard.map((name) => (
        <p key={name} className="groups-line" data-testid="groups-speech">
          {text.groups.speech(name)}
        </p>
      ))}
      {notice !== null && notice.at_ms !== closed && notice.participant !== self.id && (
        <div className="groups-line notice-line" data-testid="groups-told">
          <p>
            <b>{text.groups.noticeOf(notice.name)}</b> {notice.text}
          </p>
          <button
            type="button"
            className="icon-button"
            aria-label={text.groups.closeNotice}
            onClick={() => {
              setClosed(notice.at_ms);
            }}
          >
            <Close />
          </button>
        </div>
      )}
      {lastMinute && (
        <p className="groups-line" data-testid="groups-last">
          {self.leads ? text.groups.lastMinuteLead : text.groups.lastMinute}
        </p>
      )}
      {recording !== null && recording.state !== "off" && !self.leads && <p className="groups-line quiet">{text.groups.notRecorded}</p>}
      {chat && mine !== null && !self.leads && <Talk lesson={lesson} group={mine} onFailed={onFailed} />}
      {/* Said once when it changes; the clock beside it would be read each second. */}
      <p className="hidden" role="status">
        {[where, ...heard.map(text.groups.speech), notice === null ? "" : `${text.groups.noticeOf(notice.name)} ${notice.text}`, lastMinute ? text.groups.lastMinute : ""].join(" ")}
      </p>
    </section>
  );
}

function whereabouts(text: Dictionary, groups: Groups, self: { readonly id: string; readonly leads: boolean }): string {
  const { mine } = groups;
  if (mine === null) return self.leads ? text.groups.youLeadMain : text.groups.youMain;
  const name = groupName(text, mine);
  if (self.leads) return text.groups.youLead(name);
  const others = [...mine.leaders, ...mine.students].filter((person) => person.id !== self.id).map(fullName);
  return others.length === 0 ? text.groups.youAlone(name) : text.groups.youAre(name, others.join(", "));
}

function ChatButton(props: { lesson: LessonSurface; group: Group; open: boolean; onOpen: (open: boolean) => void }) {
  const text = useText();
  const fields = useReadable(props.lesson.fields);
  const self = useReadable(props.lesson.self);
  const said = groupChat(fields, props.group.id, self.id).length;
  return (
    <button
      type="button"
      className="button"
      aria-expanded={props.open}
      data-testid="groups-chat"
      onClick={() => {
        props.onOpen(!props.open);
      }}
    >
      {props.open ? text.groups.hideChat : `${text.groups.writeToGroup}${said > 0 ? ` · ${said}` : ""}`}
    </button>
  );
}

/** What the group writes to each other. */
function Talk({ lesson, group, onFailed }: { lesson: LessonSurface; group: Group; onFailed: (error: unknown) => void }) {
  const text = useText();
  const fields = useReadable(lesson.fields);
  const self = useReadable(lesson.self);
  const [draft, setDraft] = useState("");
  const messages = groupChat(fields, group.id, self.id);
  return (
    <div className="groups-talk">
      <div className="groups-said" role="log" aria-label={text.groups.writeToGroup} data-testid="groups-said">
        {messages.length === 0 && <p className="note">{text.groups.groupNone}</p>}
        {messages.map((message) => (
          <p key={message.id}>
            <b>{message.name}</b> {message.text}
          </p>
        ))}
      </div>
      <form
        className="groups-row"
        onSubmit={(event) => {
          event.preventDefault();
          const words = draft.trim();
          if (words === "") return;
          lesson
            .request({ t: "group_chat", text: words })
            .then(() => {
              setDraft("");
            })
            .catch(onFailed); // the draft stays, so that nothing written is lost
        }}
      >
        <input
          className="select"
          aria-label={text.groups.groupInput}
          placeholder={text.groups.groupInput}
          maxLength={MAX_CHAT}
          data-testid="groups-write"
          value={draft}
          onChange={(event) => {
            setDraft(event.target.value);
          }}
        />
        <button type="submit" className="icon-button accent" aria-label={text.groups.send} data-testid="groups-send" disabled={draft.trim() === ""}>
          <Send />
        </button>
      </form>
    </div>
  );
}
