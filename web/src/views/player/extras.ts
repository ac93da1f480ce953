import { useEffect, useState } from "react";

import * as api from "../../core/api";
import type { VideoPage } from "../../core/api";
import { cuesOf, thumbnailsOf, type Cue, type Thumbnail } from "../../core/extras";

/** What there is beside the video by now; each of it may be missing. */
export interface Extras {
  readonly thumbnails: readonly Thumbnail[];
  readonly sprite: string | null;
  readonly chapters: readonly Cue[];
  readonly peaks: readonly number[];
  readonly gainDb: number;
}

/** Of a video beside which nothing is made yet. */
export const NOTHING: Extras = { thumbnails: [], sprite: null, chapters: [], peaks: [], gainDb: 0 };

/** Loads it for a page; what does not come is missing. */
export function useExtras(page: VideoPage, language: "ru" | "en"): Extras {
  const [extras, setExtras] = useState(NOTHING);
  const chapters = language === "ru" ? page.chapters_ru_url : page.chapters_en_url;
  const { thumbnails_url: places, sprite_url: sprite, sound_url: sound } = page;
  useEffect(() => {
    let here = true;
    const load = <T>(address: string | null, ask: (address: string) => Promise<T>, use: (found: T) => Partial<Extras>) => {
      if (address === null) return;
      ask(address).then(
        (found) => {
          if (here) setExtras((before) => ({ ...before, ...use(found) }));
        },
        () => undefined,
      );
    };
    load(places, api.text, (found) => ({ thumbnails: thumbnailsOf(found), sprite }));
    load(chapters, api.text, (found) => ({ chapters: cuesOf(found) }));
    load(sound, api.videoSound, ({ peaks, gain_db }) => ({ peaks, gainDb: gain_db }));
    return () => {
      here = false;
    };
  }, [places, sprite, chapters, sound]);
  return extras;
}
