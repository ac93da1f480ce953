"""What pages look like and what axe finds in them: every state in both languages and two sizes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from PIL import Image, ImageDraw, ImageFont

from tests.browser.person import ARTIFACTS, Person

AXE: Final = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"
LANGUAGES: Final = ("ru", "en")
DESK: Final = (1366, 768)
PHONE: Final = (390, 844)
SIZES: Final = (DESK, PHONE)
RULES: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_ROW: Final = 300
_COLUMNS: Final = 2
_SETTLED: Final = """() => Promise.all([
    document.fonts.ready,
    ...document.getAnimations().filter((each) => Number.isFinite(each.effect.getComputedTiming().endTime))
        .map((each) => each.finished.catch(() => {})),
])"""
_FIND: Final = """async (rules) => {
    const { violations } = await axe.run(document, { runOnly: rules, resultTypes: ["violations"] });
    return violations
        .filter(({ impact }) => impact === "serious" || impact === "critical")
        .map(({ id, nodes }) => [id, nodes.map((each) => each.target.join(" ") + " " + each.failureSummary)]);
}"""


@dataclass(slots=True)
class Looks:
    """``take`` the states of a story, then make a ``sheet`` of them. ``findings``: serious ones of axe.
    ``off``: nothing is taken."""

    title: str
    off: bool = False
    findings: list[str] = field(default_factory=list)
    _shots: list[tuple[str, Path]] = field(default_factory=list)

    async def take(self, state: str, somebody: Person) -> None:
        """A person's page as it is now, in both languages and sizes; it is left as it was."""
        if self.off:
            return
        page = somebody.page
        before = page.viewport_size
        spoken = await somebody.do("() => document.documentElement.lang")
        for language in LANGUAGES:
            await speak(somebody, language)
            for width, height in SIZES:
                await page.set_viewport_size({"width": width, "height": height})
                await page.evaluate(_SETTLED)
                path = await somebody.photograph(f"{self.title}-{state}-{language}-{width}")
                self._shots.append((f"{state} {language} {width}", path))
                wide = await somebody.do("() => document.documentElement.scrollWidth - innerWidth")
                if wide > 0:
                    self.findings.append(f"{state} {language} {width}: {wide} px wider than the page")
                if language == LANGUAGES[0]:  # words do not change what axe looks at but here
                    self.findings += [f"{state} {width}: {each}" for each in await findings(somebody)]
        await speak(somebody, spoken)
        if before is not None:
            await page.set_viewport_size(before)

    def sheet(self) -> Path:
        """All pictures on one contact sheet, a state beside its other languages and sizes."""
        font = ImageFont.load_default(size=13)
        rows: dict[str, list[tuple[str, Image.Image]]] = {}
        for name, path in self._shots:
            with Image.open(path) as file:
                small = file.convert("RGB")
            small.thumbnail((10_000, _ROW))
            rows.setdefault(name.split(" ")[0], []).append((name, small))
        width = max(sum(shot.width + 8 for _, shot in row) for row in rows.values()) + 8
        lines = -(-len(rows) // _COLUMNS)
        sheet = Image.new("RGB", (width * _COLUMNS, lines * (_ROW + 28) + 8), "#808890")
        draw = ImageDraw.Draw(sheet)
        for place, row in enumerate(rows.values()):
            left, top = 8 + place // lines * width, 8 + place % lines * (_ROW + 28)
            for name, shot in row:
                draw.text((left, top), name, fill="white", font=font)
                sheet.paste(shot, (left, top + 18))
                left += shot.width + 8
        path = ARTIFACTS / f"{self.title}-sheet.png"
        sheet.save(path)
        return path


async def speak(somebody: Person, language: str) -> None:
    """Change the language as another tab of this browser would."""
    await somebody.do(
        """(language) => {
            localStorage.setItem("zvonok.language", language);
            dispatchEvent(new StorageEvent("storage", { key: "zvonok.language", newValue: language }));
        }""",
        language,
    )
    await somebody.until(
        "(language) => document.documentElement.lang === language", language, what="the language"
    )


async def findings(somebody: Person) -> list[str]:
    """What axe calls serious or critical in a page as it is now."""
    page = somebody.page
    if not await page.evaluate("() => 'axe' in window"):
        await page.evaluate(AXE.read_text(encoding="utf-8"))
    found: list[tuple[str, list[Any]]] = await page.evaluate(_FIND, RULES)
    return [f"{rule}: {node}" for rule, nodes in found for node in nodes]
