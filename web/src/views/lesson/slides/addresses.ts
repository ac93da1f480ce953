import { createContext } from "react";

import { lessonPage, type PageAddress } from "../../../core/slides";

/** Where pages come from: the lesson, unless a view that shows a recording says otherwise. */
export const PageAddresses = createContext<PageAddress>(lessonPage);
