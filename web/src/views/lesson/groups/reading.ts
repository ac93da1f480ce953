import { useEffect, useMemo, useState } from "react";

import { clock } from "../../../core/clock";
import { readGroups, type Group, type Groups } from "../../../core/groups";
import type { LessonSurface } from "../../../core/lesson";
import type { Dictionary } from "../../../i18n";
import { useReadable } from "../../readable";

/** The lesson's groups as they are now; null: there are none. */
export function useGroups(lesson: LessonSurface): Groups | null {
  const fields = useReadable(lesson.fields);
  const people = useReadable(lesson.people);
  const { id } = useReadable(lesson.self);
  return useMemo(() => readGroups(fields, people, id), [fields, people, id]);
}

export function groupName(text: Dictionary, group: Pick<Group, "name" | "order">): string {
  return group.name === "" ? text.groups.number(group.order) : group.name;
}

/** Milliseconds until a moment of server time, each second anew; null without one. */
export function useLeft(lesson: LessonSurface, endsAtMs: number | null): number | null {
  const [, tick] = useState(0);
  useEffect(() => {
    if (endsAtMs === null) return;
    const timer = setInterval(() => {
      tick((before) => before + 1);
    }, 1000);
    return () => {
      clearInterval(timer);
    };
  }, [endsAtMs]);
  return endsAtMs === null ? null : Math.max(0, endsAtMs - lesson.serverNowMs());
}

/** 4:32, counted up to whole seconds so that it ends at 0:00. */
export function leftClock(ms: number): string {
  return clock(Math.ceil(ms / 1000) * 1000);
}
