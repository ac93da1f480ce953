import { useCallback, useEffect, useRef, useState } from "react";

import type { Devices } from "../../core/devices";
import type { LessonSurface } from "../../core/lesson";
import { Close } from "../icons";
import { useMedia, useReadable } from "../readable";
import { remember, remembered } from "../remember";
import { blurLater, useFullScreen, useIdle } from "../screen";
import { useWords } from "../text";
import { Dialog } from "../widgets";
import { DeviceChoice } from "../CheckView";
import type { Layout } from "./arrange";
import { Banners } from "./Banners";
import { Bar, type Panel } from "./Bar";
import { ChatPanel } from "./chat/ChatPanel";
import { EndDialog } from "./EndDialog";
import { InviteCard, InviteDialog, type Links } from "./Invite";
import { useNotices } from "./notices";
import { PeoplePanel } from "./PeoplePanel";
import { RecordDialog, RecordingStrip, useRecorder, useRecordingTold } from "./recording";
import { SceneView } from "./SceneView";
import { useTalkKey } from "./talk";
import { CARDS, TOOLS } from "./tools";

type Open = "invite" | "leave" | "devices" | "record" | null;

interface Props {
  lesson: LessonSurface;
  devices: Devices;
  links: Links | null;
  /** Of the link that leads here. */
  code?: string | null;
}

/** The lesson itself: pictures, banners, a panel beside them, the bar below. */
export function LessonView({ lesson, devices, links, code = null }: Props) {
  const { text } = useWords();
  const self = useReadable(lesson.self);
  const rules = useReadable(lesson.lesson);
  const narrow = useMedia("(max-width: 720px)");
  const [layout, setLayout] = useLayout(self.leads);
  const [panel, setPanel] = useState<Panel>(null);
  const [open, setOpen] = useState<Open>(null);
  const [unread, setUnread] = useState(0);
  const root = useRef<HTMLDivElement>(null);
  const aside = useRef<HTMLElement>(null);
  const fullScreen = useFullScreen(root);
  const idle = useIdle(fullScreen?.on === true);

  const chatShown = panel === "chat";
  const onChat = useCallback(() => {
    if (!chatShown) setUnread((before) => before + 1);
  }, [chatShown]);
  const notices = useNotices(lesson, text, onChat);
  const { failed, say, warn } = notices;
  const talking = useTalkKey(lesson, failed);
  useRecordingTold(lesson, text, notices);
  const askWhatToRecord = () => {
    setOpen("record");
  };
  const recorder = useRecorder(lesson, askWhatToRecord, failed);

  const showPanel = (next: Panel) => {
    setPanel(next);
    if (next === "chat") setUnread(0);
    // Focus that was in the panel goes back to the button that opened it.
    if (next === null && aside.current?.contains(document.activeElement) === true) {
      const opener = document.getElementById(`bar-${panel}`) ?? document.querySelector<HTMLElement>('[data-testid="tools"], [data-testid="more"]');
      opener?.focus();
    }
  };
  useEffect(() => {
    if (panel !== null && panel !== "chat") aside.current?.focus();
  }, [panel]);
  const tool = TOOLS.find(({ name }) => name === panel);
  const title = tool !== undefined ? tool.label(text) : panel === "chat" ? text.chat.title : text.people.title;
  const setSource = (source: "microphone" | "camera" | "screen", on: boolean) => {
    if (on && !self.may[source]) {
      warn(source === "microphone" ? "may" : "failed", text.bar[`${source}Forbidden`]);
      return;
    }
    if (source !== "screen") {
      const { announce } = text;
      if (source === "microphone") say(on ? announce.microphoneOn : announce.microphoneOff);
      else say(on ? announce.cameraOn : announce.cameraOff);
    }
    lesson.setSource(source, on).catch(failed);
  };
  const setHand = (up: boolean) => {
    say(up ? text.announce.handUp : text.announce.handDown);
    lesson.setHand(up).catch(failed);
  };
  const setPin = (participant: string | null) => {
    lesson.setPin(participant);
  };
  const close = () => {
    setOpen(null);
  };

  return (
    <div
      ref={root}
      className={panel === null ? "lesson" : "lesson with-panel"}
      data-testid="lesson"
      data-full-screen={fullScreen?.on === true}
      data-idle={idle}
      // A clicked button gives the focus back, so that the space bar is for talking and not for pressing it again.
      // Presses by keyboard (detail 0) keep it.
      onClickCapture={(event) => {
        if (event.detail > 0 && event.target instanceof Element) blurLater(event.target);
      }}
    >
      <a className="skip" href="#controls">
        {text.common.skipToControls}
      </a>
      <header className="lesson-title">
        <h1>{rules?.title ?? ""}</h1>
        {rules !== null && <p>{[rules.subject, text.common.grade(rules.grade)].join(" · ")}</p>}
      </header>
      <main className="lesson-main">
        <RecordingStrip lesson={lesson} code={code} onFailed={failed} />
        <div className="lesson-scene">
          <Banners
            lesson={lesson}
            notices={notices}
            onSource={setSource}
            onDevices={() => {
              setOpen("devices");
            }}
            onRecord={recorder.record}
          />
          {CARDS.map((Card, index) => (
            <Card key={index} lesson={lesson} onFailed={failed} />
          ))}
          <SceneView
            lesson={lesson}
            layout={layout}
            onPin={setPin}
            onFailed={failed}
            alone={
              links === null || open === "invite" ? (
                <p className="alone-note">{text.lesson.nobody}</p>
              ) : (
                <InviteCard links={links} />
              )
            }
          />
        </div>
      </main>
      {panel !== null && (
        // Escape closes it from anywhere inside; all that can be pressed in it takes its own keys.
        // eslint-disable-next-line jsx-a11y/no-noninteractive-element-interactions
        <aside
          ref={aside}
          className="panel"
          tabIndex={-1}
          aria-label={title}
          data-testid={`${panel}-panel`}
          onKeyDown={(event) => {
            const inMenu = event.target instanceof Element && event.target.closest("[popover], dialog") !== null;
            if (event.key === "Escape" && !inMenu) showPanel(null);
          }}
        >
          <header>
            <h2>{title}</h2>
            <button
              type="button"
              className="icon-button"
              aria-label={text.common.close}
              data-testid="close-panel"
              onClick={() => {
                showPanel(null);
              }}
            >
              <Close />
            </button>
          </header>
          {panel === "chat" ? (
            <ChatPanel lesson={lesson} onFailed={failed} />
          ) : tool !== undefined ? (
            <tool.Panel
              lesson={lesson}
              onFailed={failed}
              onClose={() => {
                showPanel(null);
              }}
            />
          ) : (
            <PeoplePanel
              lesson={lesson}
              onFailed={failed}
              onRecord={askWhatToRecord}
              onInvite={
                links === null
                  ? null
                  : () => {
                      setOpen("invite");
                    }
              }
            />
          )}
        </aside>
      )}
      {talking && (
        <p className="talking" role="status">
          {text.bar.talking}
        </p>
      )}
      <Bar
        lesson={lesson}
        devices={devices}
        narrow={narrow}
        layout={layout}
        onLayout={setLayout}
        panel={panel}
        onPanel={showPanel}
        unread={unread}
        onInvite={
          links === null
            ? null
            : () => {
                setOpen("invite");
              }
        }
        fullScreen={fullScreen}
        onSource={setSource}
        onHand={setHand}
        onRecord={recorder.record}
        onLeave={() => {
          setOpen("leave");
        }}
        onFailed={failed}
      />
      <p className="hidden" aria-live="polite" data-testid="spoken">
        {notices.spoken}
      </p>
      {open === "invite" && links !== null && <InviteDialog links={links} onClose={close} />}
      {open === "leave" && (
        <EndDialog lesson={lesson} teacher={self.role === "teacher"} onClose={close} onFailed={failed} />
      )}
      {open === "record" && (
        <RecordDialog
          choice={recorder.choice}
          recordable={rules?.recordable ?? []}
          unrecorded={lesson.people.get().filter((person) => person.unrecorded !== null).length}
          onStart={recorder.start}
          onClose={close}
        />
      )}
      {open === "devices" && (
        <Dialog title={text.devices.title} testId="devices-dialog" onClose={close}>
          <div className="menu-fields">
            <DeviceChoice devices={devices} kind="microphone" label={text.devices.microphone} />
            <DeviceChoice devices={devices} kind="camera" label={text.devices.camera} />
            <DeviceChoice devices={devices} kind="speaker" label={text.devices.speaker} />
          </div>
        </Dialog>
      )}
    </div>
  );
}

const LAYOUTS: readonly Layout[] = ["speaker", "gallery", "focus"];

/** Leaders begin with the whole class, others with who speaks; what one chooses is kept. */
function useLayout(leads: boolean): [Layout, (layout: Layout) => void] {
  const key = leads ? "layout.leads" : "layout";
  const [layout, setLayout] = useState<Layout>(
    () => LAYOUTS.find((each) => each === remembered(key)) ?? (leads ? "gallery" : "speaker"),
  );
  return [
    layout,
    (next) => {
      remember(key, next);
      setLayout(next);
    },
  ];
}
