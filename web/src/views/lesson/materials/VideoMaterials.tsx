import { useEffect, useState } from "react";

import { besideVideo, hostOf } from "../../../core/materials";
import type { VideoMaterial } from "../../../generated/wire";
import { Download } from "../../icons";
import { useText } from "../../text";
import { KindIcon } from "./MaterialRow";

/** Addresses are good for 15 minutes; the list is asked for anew before. */
const RENEWED_MS = 12 * 60_000;

/** What the class was given, under the video of the lesson; nothing when it was given nothing. */
export function VideoMaterials({ video, code }: { video: string; code: string | null }) {
  const text = useText();
  const [list, setList] = useState<readonly VideoMaterial[]>([]);
  useEffect(() => {
    let here = true;
    const load = () => {
      // without them the video is still to be watched
      besideVideo(code === null ? { video } : { code }).then(
        (found) => {
          if (here) setList(found);
        },
        () => undefined,
      );
    };
    load();
    const timer = setInterval(load, RENEWED_MS);
    return () => {
      here = false;
      clearInterval(timer);
    };
  }, [video, code]);
  if (list.length === 0) return null;
  return (
    <section className="video-materials" aria-labelledby="video-materials" data-testid="video-materials">
      <h2 id="video-materials">{text.materials.title}</h2>
      <ul className="material-list">
        {list.map((material, index) => (
          <li key={index} className="material">
            <span className="material-kind" aria-hidden="true">
              <KindIcon material={material} />
            </span>
            <div className="material-what">
              {material.kind === "link" ? (
                <a href={material.url} target="_blank" rel="noopener noreferrer" title={text.materials.site(hostOf(material.url))}>
                  {material.name}
                </a>
              ) : (
                <a href={material.url} download>
                  {material.name}
                </a>
              )}
              <small>{material.kind === "link" ? hostOf(material.url) : text.materials.file(material.bytes)}</small>
            </div>
            {material.kind === "file" && (
              <a className="icon-button" href={material.url} download aria-label={text.materials.download(material.name)} title={text.materials.download(material.name)}>
                <Download />
              </a>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}
