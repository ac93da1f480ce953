import { describe, expect, it } from "vitest";

import { codeOf, parseRoute } from "../../src/views/router";

describe("parseRoute", () => {
  it.each([
    ["/", { page: "home" }],
    ["/t", { page: "sign_in" }],
    ["/t/", { page: "sign_in" }],
    ["/teacher", { page: "teacher" }],
    ["/l/AZ492KE3R7T31", { page: "join", code: "AZ492KE3R7T31" }],
    ["/lesson/abc-1/attendance", { page: "attendance", lesson: "abc-1" }],
    ["/lesson/abc-1", { page: "nothing" }],
    ["/l", { page: "nothing" }],
    ["/l/a/b", { page: "nothing" }],
    ["/l/%3Cscript%3E", { page: "nothing" }],
    ["/l/" + "A".repeat(65), { page: "nothing" }],
    ["/teacher/x", { page: "nothing" }],
    ["/library", { page: "library" }],
    ["/library/", { page: "library" }],
    ["/library/01-a_B", { page: "video", video: "01-a_B" }],
    ["/library/a/b", { page: "nothing" }],
    ["/library/..%2Fx", { page: "nothing" }],
    ["/watch/AZ492KE3R7T31", { page: "watch", code: "AZ492KE3R7T31" }],
    [`/media/1800000000-${"A".repeat(43)}/v-1/video.webm`, { page: "expired", video: "v-1" }],
    [`/media/1800000000-${"A".repeat(42)}/v-1/video.webm`, { page: "nothing" }],
    ["/media/x/v-1/video.webm", { page: "nothing" }],
    ["/watch", { page: "nothing" }],
    ["/elsewhere", { page: "nothing" }],
  ])("%s", (path, route) => {
    expect(parseRoute(path)).toEqual(route);
  });
});

describe("codeOf", () => {
  it.each([
    ["AZ492KE3R7T31", "AZ492KE3R7T31"],
    ["  AZ49 2KE3 R7T31 ", "AZ492KE3R7T31"],
    ["AZ49-2KE3-R7T31", "AZ492KE3R7T31"],
    ["https://lessons.example:8443/l/AZ492KE3R7T31", "AZ492KE3R7T31"],
    ["lessons.example/l/AZ492KE3R7T31/", "AZ492KE3R7T31"],
    ["https://lessons.example/l/AZ492KE3R7T31?from=chat#x", "AZ492KE3R7T31"],
    ["https://lessons.example/l/3q2-7_ABCDEFGHIJKLMNOPQRSTUVWXYZabcd", "3q2-7_ABCDEFGHIJKLMNOPQRSTUVWXYZabcd"],
    ["3q2-7_ABCDEFGHIJKLMNOPQRSTUVWXYZabcd", null],
    ["AZ492KE3R7T3", null],
    ["https://lessons.example/", null],
    ["javascript:alert(1)", null],
    ["", null],
  ])("%j", (pasted, code) => {
    expect(codeOf(pasted)).toBe(code);
  });
});
