import { useContext, useEffect, useRef } from "react";

import type { Slides } from "../../../core/slides";
import { useText } from "../../text";
import { PageAddresses } from "./addresses";

/** All pages small, for who leads. */
export function Thumbnails({ slides, page, turn }: { slides: Slides; page: number; turn: (page: number) => void }) {
  const text = useText();
  const address = useContext(PageAddresses);
  const current = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    current.current?.scrollIntoView({ block: "nearest", inline: "center" });
  }, [page]);
  return (
    <ol className="slides-strip" aria-label={text.slides.strip} data-testid="slides-thumbnails">
      {Array.from({ length: slides.pages }, (_, index) => index + 1).map((each) => (
        <li key={each}>
          <button
            ref={each === page ? current : null}
            type="button"
            aria-label={text.slides.goTo(each)}
            aria-current={each === page ? "page" : undefined}
            data-testid={`slides-thumb-${each}`}
            onClick={() => {
              turn(each);
            }}
          >
            <img src={address(slides.folder, each, "thumb.webp")} alt="" loading="lazy" draggable={false} />
            <span>{each}</span>
          </button>
        </li>
      ))}
    </ol>
  );
}
