import katex from "katex";
import "katex/dist/katex.min.css";
import { useLayoutEffect, useRef } from "react";

const LIMITS = { throwOnError: true, trust: false, strict: "ignore", maxSize: 6, maxExpand: 100 } as const;

/** A formula as it is set in print, with MathML for screen readers; as it was typed where it is none. */
export default function Formula({ tex, source }: { tex: string; source: string }) {
  const place = useRef<HTMLSpanElement>(null);
  useLayoutEffect(() => {
    if (place.current !== null) place.current.replaceChildren(drawn(tex, source));
  }, [tex, source]);
  return <span ref={place} className="formula" data-testid="formula" />;
}

function drawn(tex: string, source: string): Node {
  let html: string;
  try {
    html = katex.renderToString(tex, LIMITS);
  } catch {
    const code = document.createElement("code");
    code.textContent = source;
    return code;
  }
  // The pages' Content-Security-Policy drops style attributes of HTML, but not what a script sets as a style. What was
  // typed is escaped: in it a quotation mark is an entity, so that this names attributes only.
  const made = document.createElement("template");
  made.innerHTML = html.replaceAll(' style="', ' data-style="');
  for (const element of made.content.querySelectorAll<HTMLElement | SVGElement | MathMLElement>("[data-style]")) {
    element.style.cssText = element.dataset["style"] ?? "";
    delete element.dataset["style"];
  }
  return made.content;
}
