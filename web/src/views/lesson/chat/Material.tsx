import { request } from "../../../core/api";
import { attachment, attachments } from "../../../core/chat";
import type { LessonSurface } from "../../../core/lesson";
import { Close } from "../../icons";
import { MenuItem, Popover } from "../../popover";
import { useReadable } from "../../readable";
import { useText } from "../../text";
import { Attach } from "./icons";

/** What goes with a message; opens in a tab of its own. */
export function MaterialCard({ lesson, id, onFailed }: { lesson: LessonSurface; id: string; onFailed: (error: unknown) => void }) {
  const text = useText();
  const material = attachment(useReadable(lesson.fields), id);
  if (material === null) return <p className="removed">{text.chat.materialGone}</p>;
  const face = (
    <>
      <Attach />
      <span>{material.name}</span>
    </>
  );
  if (material.kind !== "file")
    return (
      <a className="chat-material" href={material.url} target="_blank" rel="noopener noreferrer nofollow" data-testid="chat-material">
        {face}
      </a>
    );
  return (
    <button
      type="button"
      className="chat-material"
      data-testid="chat-material"
      onClick={() => {
        openFile(id).catch(onFailed);
      }}
    >
      {face}
    </button>
  );
}

async function openFile(id: string): Promise<void> {
  const { download, view } = await request<{ readonly download: string; readonly view: string | null }>(
    `/api/materials/${encodeURIComponent(id)}`,
  );
  const link = document.createElement("a");
  link.href = view ?? download;
  link.target = "_blank";
  link.rel = "noopener";
  link.click();
}

/** Chooses what goes with the next message; nothing where the lesson has no materials. */
export function MaterialChoice({ lesson, chosen, onChoose }: { lesson: LessonSurface; chosen: string | null; onChoose: (id: string | null) => void }) {
  const text = useText();
  const fields = useReadable(lesson.fields);
  const all = attachments(fields);
  const material = chosen === null ? null : attachment(fields, chosen);
  if (material !== null)
    return (
      <div className="replying" data-testid="chat-attached">
        <span className="chat-material">
          <Attach />
          <span>{material.name}</span>
        </span>
        <button
          type="button"
          className="icon-button"
          aria-label={text.chat.detach}
          title={text.chat.detach}
          data-testid="chat-detach"
          onClick={() => {
            onChoose(null);
          }}
        >
          <Close />
        </button>
      </div>
    );
  if (all.length === 0) return null;
  return (
    <Popover label={text.chat.attach} title={text.chat.attach} testId="chat-attach" className="icon-button quiet attach" face={<Attach />}>
      {(close) => (
        <div className="menu">
          <p className="menu-title">{text.chat.attach}</p>
          {all.map((each) => (
            <MenuItem
              key={each.id}
              testId={`chat-attach-${each.id}`}
              label={each.name}
              onClick={() => {
                close();
                onChoose(each.id);
              }}
            />
          ))}
        </div>
      )}
    </Popover>
  );
}
