import { useState } from "react";

import { addressOf, hostOf, plays, removeMaterial, type Material } from "../../../core/materials";
import type { Fields } from "../../../core/store";
import type { ShownField } from "../../../generated/wire";
import { Delete, Download, Film, More } from "../../icons";
import { Popover } from "../../popover";
import { useReadable } from "../../readable";
import { useText } from "../../text";
import type { ToolProps } from "../tools";
import { App, Down, Picture, Rename, Sheet, Sound, Up, Web } from "./icons";

interface Props extends Pick<ToolProps, "lesson" | "onFailed"> {
  readonly material: Material;
  readonly fields: Fields;
  /** All ids, as they are shown. */
  readonly order: readonly string[];
  /** Where the panel covers what is shown: leads there. */
  readonly onLook: (() => void) | null;
}

/** One material: what it is, to take it, and for leaders to show it to all. */
export function MaterialRow({ lesson, material, fields, order, onFailed, onLook }: Props) {
  const text = useText();
  const { leads, id: self } = useReadable(lesson.self);
  const { id, name, kind } = material;
  const shown = fields.get("shown") as ShownField | undefined;
  const isShown = shown !== undefined && (shown.kind === "film" || shown.kind === "app") && shown.thing === id;
  const shows = plays(material) || kind === "app";
  const [naming, setNaming] = useState(false);
  const show = () => {
    const request = isShown
      ? lesson.request({ t: "show", kind: null })
      : kind === "app"
        ? lesson.request({ t: "show", kind: "app", thing: id })
        : lesson.request({ t: "show_film", material: id });
    request.then(() => {
      if (!isShown) onLook?.();
    }, onFailed);
  };
  return (
    <li className="material" data-testid={`material-${id}`} data-name={name} data-shown={isShown}>
      <span className="material-kind" aria-hidden="true">
        <KindIcon material={material} />
      </span>
      <div className="material-what">
        {naming ? (
          <NameForm
            name={name}
            onName={(next) => {
              setNaming(false);
              if (next !== null && next !== name) lesson.request({ t: "name_material", material: id, name: next }).catch(onFailed);
            }}
          />
        ) : kind === "link" ? (
          <a href={material.url} target="_blank" rel="noopener noreferrer" title={text.materials.site(hostOf(material.url))} data-testid={`open-${id}`}>
            {name}
          </a>
        ) : (
          <b>{name}</b>
        )}
        <small>
          {kind === "link" ? hostOf(material.url) : kind === "app" ? text.materials.app : text.materials.file(material.bytes)}
          {isShown && ` · ${text.materials.shown}`}
          {kind === "file" && material.by !== self && lesson.nameOf(material.by) !== "" && ` · ${text.materials.by(lesson.nameOf(material.by))}`}
        </small>
        {isShown && onLook !== null && (
          <button type="button" className="button primary" data-testid={`look-${id}`} onClick={onLook}>
            {text.materials.look}
          </button>
        )}
        {leads && shows && (
          <button type="button" className="button" data-testid={`show-${id}`} onClick={show}>
            {isShown ? text.materials.hide : text.materials.show}
          </button>
        )}
      </div>
      {kind === "file" && (
        <button
          type="button"
          className="icon-button"
          aria-label={text.materials.download(name)}
          title={text.materials.download(name)}
          data-testid={`download-${id}`}
          onClick={() => {
            take(id).catch(onFailed);
          }}
        >
          <Download />
        </button>
      )}
      {(leads || material.by === self) && (
        <Popover label={text.materials.more(name)} testId={`more-${id}`} face={<More />}>
          {(close) => (
            <div className="menu">
              {leads && (
                <>
                  <Item Icon={Rename} label={text.materials.rename} testId={`rename-${id}`} onPress={() => {
                    close();
                    setNaming(true);
                  }} />
                  <Item Icon={Up} label={text.materials.up} testId={`up-${id}`} disabled={order[0] === id} onPress={() => {
                    const before = order[order.indexOf(id) - 1] ?? null;
                    lesson.request({ t: "move_material", material: id, before }).catch(onFailed);
                  }} />
                  <Item Icon={Down} label={text.materials.down} testId={`down-${id}`} disabled={order.at(-1) === id} onPress={() => {
                    const before = order[order.indexOf(id) + 2] ?? null;
                    lesson.request({ t: "move_material", material: id, before }).catch(onFailed);
                  }} />
                </>
              )}
              <Item Icon={Delete} label={text.materials.remove} testId={`remove-${id}`} danger onPress={() => {
                close();
                removeMaterial(lesson.id, id).catch(onFailed);
              }} />
            </div>
          )}
        </Popover>
      )}
    </li>
  );
}

function Item({ Icon, label, testId, onPress, disabled = false, danger = false }: {
  Icon: React.ComponentType;
  label: string;
  testId: string;
  onPress: () => void;
  disabled?: boolean;
  danger?: boolean;
}) {
  return (
    <button type="button" className={danger ? "menu-item danger" : "menu-item"} data-testid={testId} disabled={disabled} onClick={onPress}>
      <Icon />
      <span>{label}</span>
    </button>
  );
}

function NameForm({ name, onName }: { name: string; onName: (name: string | null) => void }) {
  const text = useText();
  const [draft, setDraft] = useState(name);
  return (
    <form
      className="material-form"
      onSubmit={(event) => {
        event.preventDefault();
        onName(draft.trim() === "" ? null : draft);
      }}
    >
      <label>
        <span className="hidden">{text.materials.nameLabel}</span>
        <input
          ref={focused}
          maxLength={120}
          value={draft}
          data-testid="material-name"
          onChange={(event) => {
            setDraft(event.target.value);
          }}
          onKeyDown={(event) => {
            if (event.key !== "Escape") return;
            event.stopPropagation();
            onName(null);
          }}
        />
      </label>
      <button type="submit" className="button primary" data-testid="material-name-save">
        {text.materials.save}
      </button>
    </form>
  );
}

function focused(input: HTMLInputElement | null): void {
  if (input !== null && document.activeElement !== input) input.select();
}

export function KindIcon({ material }: { material: Pick<Material, "kind" | "group"> }) {
  if (material.kind === "link") return <Web />;
  if (material.kind === "app") return <App />;
  if (material.group === "image") return <Picture />;
  if (material.group === "audio") return <Sound />;
  return material.group === "video" ? <Film /> : <Sheet />;
}

/** Downloads a file: an address is asked for first, good for a while. */
async function take(material: string): Promise<void> {
  const { download } = await addressOf(material);
  const link = document.createElement("a");
  link.href = download;
  link.download = "";
  link.click();
}
