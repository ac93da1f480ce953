import { useEffect, useRef, useState } from "react";

import { addApp, allowedApps, materialsOf, studentsMayAdd, type AppInfo } from "../../../core/materials";
import { uploadsOf, type Uploads } from "../../../core/uploads";
import { knownRefusal } from "../../../i18n";
import { Close, Warning } from "../../icons";
import { useMedia, useReadable } from "../../readable";
import { useText } from "../../text";
import type { ToolProps } from "../tools";
import { Add, App, Web } from "./icons";
import { MaterialRow } from "./MaterialRow";

/** What is asked of the file chooser; the server looks for itself. */
const ACCEPT =
  "image/png,image/jpeg,image/webp,image/gif,audio/*,video/mp4,video/webm,.mov,.pdf,.docx,.doc,.pptx,.ppt,.xlsx,.xls,.odt,.odp,.ods,.txt,.csv,.md";

/** Everybody finds files, links and apps here; leaders (students when they may) add some. */
export function MaterialsPanel({ lesson, onFailed, onClose }: ToolProps & { readonly onClose: () => void }) {
  const text = useText();
  const { leads } = useReadable(lesson.self);
  const fields = useReadable(lesson.fields);
  const list = materialsOf(fields);
  const students = studentsMayAdd(fields);
  const narrow = useMedia("(max-width: 720px)");
  const uploads = uploadsOf(lesson.id);
  const added = useReadable(uploads.added);
  const mayAdd = leads || students;
  const order = list.map(({ id }) => id);

  return (
    // Files may be dropped here; the button takes them too.
    // eslint-disable-next-line jsx-a11y/no-noninteractive-element-interactions
    <section
      className="materials"
      aria-label={text.materials.title}
      onDragOver={(event) => {
        if (mayAdd) event.preventDefault();
      }}
      onDrop={(event) => {
        if (!mayAdd) return;
        event.preventDefault();
        uploads.add(event.dataTransfer.files);
      }}
    >
      {mayAdd && <Adding lesson={lesson} leads={leads} onFailed={onFailed} uploads={uploads} urls={list.map(({ url }) => url)} />}
      <p className="hidden" role="status" data-testid="materials-said">
        {added === "" ? "" : text.materials.added(added)}
      </p>
      {list.length === 0 ? (
        <p className="note materials-empty">{leads ? text.materials.emptyLeads : text.materials.empty}</p>
      ) : (
        <ul className="material-list" aria-label={text.materials.title}>
          {list.map((material) => (
            <MaterialRow key={material.id} lesson={lesson} material={material} fields={fields} order={order} onFailed={onFailed} onLook={narrow ? onClose : null} />
          ))}
        </ul>
      )}
      {leads && (
        <label className="check materials-sharing">
          <input
            type="checkbox"
            checked={students}
            data-testid="materials-students"
            onChange={(event) => {
              lesson.request({ t: "set_sharing", students: event.target.checked }).catch(onFailed);
            }}
          />
          {text.materials.students}
        </label>
      )}
    </section>
  );
}

interface AddingProps extends Pick<ToolProps, "lesson" | "onFailed"> {
  leads: boolean;
  uploads: Uploads;
  /** Of what is there already. */
  urls: readonly string[];
}

function Adding({ lesson, leads, onFailed, uploads, urls }: AddingProps) {
  const text = useText();
  const chooser = useRef<HTMLInputElement>(null);
  const [linking, setLinking] = useState(false);
  const [apps, setApps] = useState<readonly AppInfo[]>([]);
  useEffect(() => {
    let gone = false;
    if (leads)
      void allowedApps().then((found) => {
        if (!gone) setApps(found);
      });
    return () => {
      gone = true;
    };
  }, [leads]);
  return (
    <div className="materials-add">
      <button
        type="button"
        className="button primary"
        data-testid="materials-add"
        onClick={() => {
          chooser.current?.click();
        }}
      >
        <Add />
        {text.materials.add}
      </button>
      <span className="note materials-drop">{text.materials.drop}</span>
      <input
        ref={chooser}
        type="file"
        multiple
        hidden
        accept={ACCEPT}
        data-testid="materials-files"
        onChange={(event) => {
          uploads.add(event.target.files ?? []);
          event.target.value = "";
        }}
      />
      <Going uploads={uploads} />
      {leads && (
        <div className="materials-more">
          {linking ? (
            <LinkForm
              lesson={lesson}
              onFailed={onFailed}
              onDone={() => {
                setLinking(false);
              }}
            />
          ) : (
            <button
              type="button"
              className="button"
              data-testid="materials-add-link"
              onClick={() => {
                setLinking(true);
              }}
            >
              <Web />
              {text.materials.addLink}
            </button>
          )}
          {apps.filter(({ url }) => !urls.includes(url)).map(({ name, url }) => (
            <button
              key={url}
              type="button"
              className="button"
              data-testid="materials-add-app"
              title={`${text.materials.addApp}: ${name}`}
              onClick={() => {
                addApp(lesson.id, url).catch(onFailed);
              }}
            >
              <App />
              <span className="hidden">{text.materials.addApp}: </span>
              {name}
            </button>
          ))}
        </div>
      )}
    </div>
  );
}

function Going({ uploads }: { uploads: Uploads }) {
  const text = useText();
  const list = useReadable(uploads.list);
  if (list.length === 0) return null;
  return (
    <ul className="material-uploads">
      {list.map(({ key, file, part, state, code }) => (
        <li key={key} data-testid="material-upload" data-state={state}>
          {state === "failed" ? (
            <p role="alert" className="material-failed">
              <Warning />
              <span>
                <b>{file.name}</b> {text.refusals[knownRefusal(code ?? "")]}
              </span>
            </p>
          ) : (
            <>
              <span className="material-going">
                {part < 1 ? text.materials.sending(file.name, Math.floor(part * 100)) : text.materials.checking(file.name)}
              </span>
              <progress value={part} aria-label={file.name} />
            </>
          )}
          {state === "failed" && (
            <button
              type="button"
              className="button"
              data-testid="material-retry"
              onClick={() => {
                uploads.retry(key);
              }}
            >
              {text.materials.retry}
            </button>
          )}
          <button
            type="button"
            className="icon-button"
            aria-label={state === "failed" ? text.materials.dismiss(file.name) : text.materials.cancelUpload(file.name)}
            data-testid="material-cancel"
            onClick={() => {
              uploads.drop(key);
            }}
          >
            <Close />
          </button>
        </li>
      ))}
    </ul>
  );
}

function LinkForm({ lesson, onFailed, onDone }: Pick<ToolProps, "lesson" | "onFailed"> & { onDone: () => void }) {
  const text = useText();
  const [url, setUrl] = useState("");
  const [name, setName] = useState("");
  const first = useRef<HTMLInputElement>(null);
  useEffect(() => {
    first.current?.focus();
  }, []);
  return (
    <form
      className="material-form"
      onSubmit={(event) => {
        event.preventDefault();
        lesson.request({ t: "add_link", url, name }).then(onDone).catch(onFailed);
      }}
    >
      <label>
        {text.materials.linkAddress}
        <input
          ref={first}
          inputMode="url"
          autoComplete="off"
          maxLength={500}
          required
          value={url}
          data-testid="link-url"
          onChange={(event) => {
            setUrl(event.target.value);
          }}
        />
      </label>
      <label>
        {text.materials.linkName}
        <input
          maxLength={120}
          value={name}
          data-testid="link-name"
          onChange={(event) => {
            setName(event.target.value);
          }}
        />
      </label>
      <div className="buttons">
        <button type="submit" className="button primary" data-testid="link-add">
          {text.materials.save}
        </button>
        <button type="button" className="button" onClick={onDone}>
          {text.materials.cancel}
        </button>
      </div>
    </form>
  );
}
