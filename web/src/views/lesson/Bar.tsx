import type { Devices } from "../../core/devices";
import { canShareScreen } from "../../core/capture";
import type { LessonSurface } from "../../core/lesson";
import type { OwnSource } from "../../core/types";
import {
  Camera,
  CameraOff,
  Chat,
  Devices as DevicesIcon,
  Focus,
  FullScreen,
  FullScreenExit,
  Gallery,
  Hand,
  Invite,
  Leave,
  Microphone,
  MicrophoneOff,
  More,
  People,
  Screen,
  ScreenOff,
  Tools,
  View,
} from "../icons";
import { DeviceChoice } from "../CheckView";
import { MenuItem, Popover } from "../popover";
import { useLevel, useReadable } from "../readable";
import { useText } from "../text";
import { LanguageSwitch, Toggle } from "../widgets";
import type { Layout } from "./arrange";
import { BarButton, Face } from "./BarButton";
import { CalmButton, CalmItem } from "./leading/calm";
import { ReactButton, ReactItems } from "./leading/reactions";
import { RecordButton, RecordItem } from "./RecordButton";
import { SavingButton, SavingGroup } from "./Saving";
import { toolsFor } from "./tools";

/** What is open beside the pictures; null: nothing. Other names are those of tools. */
export type Panel = string | null;

interface Props {
  lesson: LessonSurface;
  devices: Devices;
  narrow: boolean;
  layout: Layout;
  onLayout: (layout: Layout) => void;
  panel: Panel;
  onPanel: (panel: Panel) => void;
  unread: number;
  onInvite: (() => void) | null;
  fullScreen: { on: boolean; toggle: () => void } | null;
  onSource: (source: "microphone" | "camera" | "screen", on: boolean) => void;
  onHand: (up: boolean) => void;
  onRecord: (on: boolean) => void;
  onLeave: () => void;
  onFailed: (error: unknown) => void;
}

/** All one can do oneself. On a phone the rarer things are behind "More". */
export function Bar(props: Props) {
  const { lesson, narrow } = props;
  const text = useText();
  const self = useReadable(lesson.self);
  const sources = useReadable(lesson.sources);
  const people = useReadable(lesson.people);
  const hands = useReadable(lesson.hands);
  const screen = canShareScreen() && (self.may.screen || sources.screen.state !== "off");
  const teacher = self.role === "teacher";
  const tools = toolsFor(self.leads);

  const peopleButton = (
    <BarButton
      testId="people"
      label={text.bar.people}
      hint={[text.bar.peopleCount(people.length), ...(hands.length > 0 ? [text.bar.peopleHands(hands.length)] : [])].join(", ")}
      pressed={props.panel === "people"}
      badge={self.leads && hands.length > 0 ? hands.length : null}
      icon={<People />}
      onClick={() => {
        props.onPanel(props.panel === "people" ? null : "people");
      }}
    />
  );
  const chatButton = (
    <BarButton
      testId="chat"
      label={text.bar.chat}
      hint={props.unread > 0 ? text.bar.chatUnread(props.unread) : text.bar.chat}
      pressed={props.panel === "chat"}
      badge={props.unread > 0 ? props.unread : null}
      icon={<Chat />}
      onClick={() => {
        props.onPanel(props.panel === "chat" ? null : "chat");
      }}
    />
  );
  const screenButton = screen && (
    <BarButton
      testId="toggle-screen"
      label={text.bar.screen}
      hint={sources.screen.state === "off" ? text.bar.screenTurnOn : text.bar.screenTurnOff}
      active={sources.screen.state !== "off"}
      busy={sources.screen.state === "starting"}
      state={sources.screen.state}
      icon={sources.screen.state === "off" ? <Screen /> : <ScreenOff />}
      onClick={() => {
        props.onSource("screen", sources.screen.state === "off");
      }}
    />
  );

  return (
    <section className="bar" id="controls" tabIndex={-1} aria-label={text.bar.label}>
      <div className="bar-group">
        <MicrophoneButton lesson={lesson} source={sources.microphone} may={self.may.microphone} onSource={props.onSource} />
        <BarButton
          testId="toggle-camera"
          label={text.bar.camera}
          hint={
            sources.camera.state !== "off"
              ? text.bar.cameraTurnOff
              : self.may.camera
                ? text.bar.cameraTurnOn
                : text.bar.cameraForbidden
          }
          off={sources.camera.state === "off"}
          forbidden={!self.may.camera && sources.camera.state === "off"}
          busy={sources.camera.state === "starting"}
          state={sources.camera.state}
          icon={sources.camera.state === "off" ? <CameraOff /> : <Camera />}
          onClick={() => {
            props.onSource("camera", sources.camera.state === "off");
          }}
        />
        {!narrow && screenButton}
        {!narrow && self.leads && <RecordButton lesson={lesson} onRecord={props.onRecord} />}
        {!narrow && self.leads && <CalmButton lesson={lesson} onFailed={props.onFailed} />}
        {!self.leads && (
          <BarButton
            testId="raise-hand"
            label={text.bar.hand}
            hint={self.hand ? text.bar.handLower : text.bar.handRaise}
            pressed={self.hand}
            active={self.hand}
            icon={<Hand />}
            onClick={() => {
              props.onHand(!self.hand);
            }}
          />
        )}
        {!narrow && !self.leads && <ReactButton lesson={lesson} onFailed={props.onFailed} />}
      </div>
      {narrow ? (
        <div className="bar-group">
          {self.leads && peopleButton}
          {chatButton}
          <Popover
            label={text.bar.more}
            testId="more"
            className="bar-button"
            face={<Face icon={<More />} label={text.bar.more} />}
          >
            {(close) => (
              <div className="menu wide">
                {!self.leads && (
                  <MenuItem
                    testId="people"
                    icon={<People />}
                    label={text.bar.peopleCount(people.length)}
                    {...(hands.length > 0 ? { help: text.bar.peopleHands(hands.length) } : {})}
                    onClick={() => {
                      close();
                      props.onPanel("people");
                    }}
                  />
                )}
                {screen && (
                  <MenuItem
                    testId="toggle-screen"
                    icon={sources.screen.state === "off" ? <Screen /> : <ScreenOff />}
                    label={sources.screen.state === "off" ? text.bar.screenTurnOn : text.bar.screenTurnOff}
                    onClick={() => {
                      close();
                      props.onSource("screen", sources.screen.state === "off");
                    }}
                  />
                )}
                {!self.leads && <ReactItems lesson={lesson} onFailed={props.onFailed} close={close} />}
                {self.leads && <CalmItem lesson={lesson} onFailed={props.onFailed} close={close} />}
                {self.leads && <RecordItem lesson={lesson} onRecord={props.onRecord} close={close} />}
                {props.onInvite !== null && (
                  <MenuItem
                    testId="invite"
                    icon={<Invite />}
                    label={text.bar.invite}
                    onClick={() => {
                      close();
                      props.onInvite?.();
                    }}
                  />
                )}
                {props.fullScreen !== null && <FullScreenItem fullScreen={props.fullScreen} close={close} />}
                {tools.length > 0 && <p className="menu-title">{text.bar.tools}</p>}
                <ToolItems leads={self.leads} panel={props.panel} onPanel={props.onPanel} close={close} />
                <p className="menu-title">{text.layout.title}</p>
                <LayoutItems layout={props.layout} onLayout={props.onLayout} close={close} />
                {!self.leads && <RecordMe lesson={lesson} onFailed={props.onFailed} />}
                <SavingGroup lesson={lesson} close={close} />
                <p className="menu-title">{text.devices.title}</p>
                <DeviceFields devices={props.devices} />
                <LanguageLine />
              </div>
            )}
          </Popover>
        </div>
      ) : (
        <div className="bar-group">
          {tools.length > 0 && (
            <Popover label={text.bar.tools} testId="tools" className="bar-button" face={<Face icon={<Tools />} label={text.bar.tools} />}>
              {(close) => (
                <div className="menu">
                  <ToolItems leads={self.leads} panel={props.panel} onPanel={props.onPanel} close={close} />
                </div>
              )}
            </Popover>
          )}
          {chatButton}
          {peopleButton}
          <Popover
            label={text.bar.layout}
            testId="layout"
            className="bar-button"
            face={<Face icon={<View />} label={text.bar.layout} />}
          >
            {(close) => (
              <div className="menu">
                <p className="menu-title">{text.layout.title}</p>
                <LayoutItems layout={props.layout} onLayout={props.onLayout} close={close} />
                {props.fullScreen !== null && (
                  <>
                    <hr className="menu-rule" />
                    <FullScreenItem fullScreen={props.fullScreen} close={close} />
                  </>
                )}
              </div>
            )}
          </Popover>
          <Popover
            label={text.bar.devices}
            testId="devices"
            className="bar-button"
            face={<Face icon={<DevicesIcon />} label={text.bar.devices} />}
          >
            <div className="menu wide">
              <p className="menu-title">{text.devices.title}</p>
              <DeviceFields devices={props.devices} />
              {!self.leads && <RecordMe lesson={lesson} onFailed={props.onFailed} />}
              <LanguageLine />
              <p className="menu-note">{text.bar.spaceHint}</p>
            </div>
          </Popover>
          <SavingButton lesson={lesson} />
          {props.onInvite !== null && (
            <BarButton testId="invite" label={text.bar.invite} hint={text.bar.invite} icon={<Invite />} onClick={props.onInvite} />
          )}
        </div>
      )}
      <div className="bar-group">
        <BarButton
          testId={teacher ? "leave-or-end" : "leave"}
          label={teacher ? text.bar.end : text.bar.leave}
          hint={teacher ? text.end.title : text.bar.leave}
          danger
          icon={<Leave />}
          onClick={props.onLeave}
        />
      </div>
    </section>
  );
}

function MicrophoneButton(props: {
  lesson: LessonSurface;
  source: OwnSource;
  may: boolean;
  onSource: Props["onSource"];
}) {
  const text = useText();
  const meter = useLevel<HTMLElement>(props.lesson.level, "y");
  const off = props.source.state === "off";
  return (
    <BarButton
      testId="toggle-microphone"
      label={text.bar.microphone}
      hint={!off ? text.bar.microphoneTurnOff : props.may ? text.bar.microphoneTurnOn : text.bar.microphoneForbidden}
      off={off}
      forbidden={!props.may && off}
      busy={props.source.state === "starting"}
      state={props.source.state}
      icon={
        off ? (
          <MicrophoneOff />
        ) : (
          <span className="button-meter">
            <Microphone />
            <span className="button-meter-bar" data-testid="microphone-level">
              <i ref={meter} />
            </span>
          </span>
        )
      }
      onClick={() => {
        props.onSource("microphone", off);
      }}
    />
  );
}

function ToolItems(props: { leads: boolean; panel: Panel; onPanel: (panel: Panel) => void; close: () => void }) {
  const text = useText();
  return toolsFor(props.leads).map(({ name, Icon, label, help }) => (
    <MenuItem
      key={name}
      testId={`tool-${name}`}
      icon={<Icon />}
      label={label(text)}
      help={help(text)}
      pressed={props.panel === name}
      onClick={() => {
        props.close();
        props.onPanel(props.panel === name ? null : name);
      }}
    />
  ));
}

function LayoutItems(props: { layout: Layout; onLayout: (layout: Layout) => void; close: () => void }) {
  const text = useText();
  const choices = [
    ["speaker", <View key="i" />, text.layout.speaker, text.layout.speakerHelp],
    ["gallery", <Gallery key="i" />, text.layout.gallery, text.layout.galleryHelp],
    ["focus", <Focus key="i" />, text.layout.focus, text.layout.focusHelp],
  ] as const;
  return choices.map(([layout, icon, label, help]) => (
    <MenuItem
      key={layout}
      testId={`layout-${layout}`}
      icon={icon}
      label={label}
      help={help}
      pressed={props.layout === layout}
      onClick={() => {
        props.close();
        props.onLayout(layout);
      }}
    />
  ));
}

function FullScreenItem(props: { fullScreen: { on: boolean; toggle: () => void }; close: () => void }) {
  const text = useText();
  const { on, toggle } = props.fullScreen;
  return (
    <MenuItem
      testId="full-screen"
      icon={on ? <FullScreenExit /> : <FullScreen />}
      label={on ? text.bar.fullScreenExit : text.bar.fullScreen}
      onClick={() => {
        props.close();
        toggle();
      }}
    />
  );
}

/** A student's own word on whether they may be recorded, before and while the lesson is. */
function RecordMe({ lesson, onFailed }: { lesson: LessonSurface; onFailed: (error: unknown) => void }) {
  const text = useText();
  const { unrecorded } = useReadable(lesson.self);
  return (
    <div className="menu-fields">
      <Toggle
        checked={unrecorded !== null}
        disabled={unrecorded?.by_leader === true}
        label={text.recording.notMe}
        testId="not-me"
        onChange={(on) => {
          lesson.setRecorded(!on).catch(onFailed);
        }}
      />
      {unrecorded?.by_leader === true && <p className="menu-note">{text.recording.notYouByTeacher}</p>}
    </div>
  );
}

function LanguageLine() {
  const text = useText();
  return (
    <div className="menu-line">
      <span>{text.language.label}</span>
      <LanguageSwitch />
    </div>
  );
}

function DeviceFields({ devices }: { devices: Devices }) {
  const text = useText();
  const list = useReadable(devices.list);
  return (
    <div className="menu-fields">
      <DeviceChoice devices={devices} kind="microphone" label={text.devices.microphone} />
      <DeviceChoice devices={devices} kind="camera" label={text.devices.camera} />
      <DeviceChoice devices={devices} kind="speaker" label={text.devices.speaker} />
      {list.speaker.length === 0 && <p className="menu-note">{text.devices.speakerFixed}</p>}
    </div>
  );
}
