/** Files, links and apps of a lesson: read from its fields, brought and fetched over HTTP. */

import type { AddApp, AppInfo, AppList, ErrorReply, MaterialAdded, MaterialAddress, MaterialField, SharingField, VideoMaterial, VideoMaterials } from "../generated/wire";
import { request } from "./api";
import type { Fields } from "./store";
import { Failed } from "./types";

export type { AppInfo };

export interface Material extends MaterialField {
  readonly id: string;
}

/** What browsers show in place. */
const PLAYS: ReadonlySet<string | null> = new Set(["image", "audio", "video"]);
/** Addresses are good for 15 minutes. */
const ADDRESS_KEPT_MS = 12 * 60_000;
const ADDRESSES_KEPT = 200;

/** In the order in which they are shown. */
export function materialsOf(fields: Fields): readonly Material[] {
  const found: Material[] = [];
  for (const [path, value] of fields)
    if (path.startsWith("material/")) found.push({ ...(value as MaterialField), id: path.slice("material/".length) });
  return found.sort((a, b) => a.place - b.place || (a.id < b.id ? -1 : 1));
}

export function studentsMayAdd(fields: Fields): boolean {
  return (fields.get("sharing") as SharingField | undefined)?.students === true;
}

export function plays(material: Material): boolean {
  return material.kind === "file" && PLAYS.has(material.group);
}

/** Where a link leads, for people. */
export function hostOf(url: string): string {
  try {
    return new URL(url).hostname;
  } catch {
    return "";
  }
}

const addresses = new Map<string, { readonly untilMs: number; readonly address: Promise<MaterialAddress> }>();

/** Where a file is; `fresh`: the former address did not lead there any more. */
export function addressOf(material: string, fresh = false): Promise<MaterialAddress> {
  const known = addresses.get(material);
  if (!fresh && known !== undefined && Date.now() < known.untilMs) return known.address;
  const address = request<MaterialAddress>(`/api/materials/${encodeURIComponent(material)}`);
  if (addresses.size >= ADDRESSES_KEPT) addresses.clear();
  addresses.set(material, { untilMs: Date.now() + ADDRESS_KEPT_MS, address });
  address.catch(() => addresses.delete(material));
  return address;
}

export async function removeMaterial(lesson: string, material: string): Promise<void> {
  await request(`/api/lessons/${encodeURIComponent(lesson)}/materials/${encodeURIComponent(material)}`, undefined, "DELETE");
}

/** Apps of this server; none: it has none, or does not answer. */
export async function allowedApps(): Promise<readonly AppInfo[]> {
  return (await request<AppList>("/api/apps").catch(() => ({ apps: [] }))).apps;
}

export function addApp(lesson: string, url: string): Promise<MaterialAdded> {
  return request(`/api/lessons/${encodeURIComponent(lesson)}/apps`, { url } satisfies AddApp);
}

/**
 * Brings a file; `purpose`: what for, see the protocol. `onProgress` gets 0..1 while it goes, 1 when the server looks
 * at it. Rejects with `Failed`.
 */
export function upload<Reply = MaterialAdded>(
  lesson: string,
  file: File,
  options: { readonly purpose?: string; readonly onProgress?: (part: number) => void; readonly signal?: AbortSignal } = {},
): Promise<Reply> {
  const { purpose = "materials", onProgress, signal } = options;
  return new Promise((resolve, reject) => {
    // fetch tells no progress of what is sent
    const sending = new XMLHttpRequest();
    sending.open("POST", `/api/lessons/${encodeURIComponent(lesson)}/materials?for=${encodeURIComponent(purpose)}`);
    sending.setRequestHeader("content-type", "application/octet-stream");
    sending.setRequestHeader("x-file-name", encodeURIComponent(file.name));
    sending.upload.onprogress = (event) => onProgress?.(event.total === 0 ? 1 : event.loaded / event.total);
    sending.onload = () => {
      const answer = parsed(sending.responseText);
      if (sending.status < 400 && answer !== null) resolve(answer as Reply);
      else reject(new Failed((answer as Partial<ErrorReply> | null)?.code ?? (sending.status === 413 ? "file_too_big" : "network")));
    };
    sending.onerror = () => {
      reject(new Failed("upload_broken"));
    };
    sending.onabort = () => {
      reject(new DOMException("aborted", "AbortError"));
    };
    signal?.addEventListener("abort", () => {
      sending.abort();
    });
    if (signal?.aborted === true) reject(new DOMException("aborted", "AbortError"));
    else sending.send(file);
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** What leaders gave the class, beside the lesson's video: of the library, or of a join link. */
export async function besideVideo(of: { readonly video: string } | { readonly code: string }): Promise<readonly VideoMaterial[]> {
  const path = "code" in of ? `links/${encodeURIComponent(of.code)}/video` : `library/${encodeURIComponent(of.video)}`;
  return (await request<VideoMaterials>(`/api/${path}/materials`)).materials;
}
