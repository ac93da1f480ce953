"""Files become pages, or a reason is said: real programs in their boxes."""

from __future__ import annotations

import io
import os
import socket
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from config.setup.apt import apt_install, is_debian
from signaling.slides.box import Bounds, Ended, run
from signaling.slides.making import Fonts, Making, NotMade, Page, Said, Sizes, find_office
from tests.signaling import decks

pytestmark = pytest.mark.asyncio
PDF = "application/pdf"
OFFICE_PACKAGES = ("libreoffice-impress-nogui", "libreoffice-writer-nogui", "libreoffice-calc-nogui")


def making(tmp_path: Path, **bounds: float) -> Making:
    (tmp_path / "var" / "keys").mkdir(parents=True)
    (tmp_path / "var" / "keys" / "secret").write_bytes(b"secret")
    plain = Bounds(memory=1 << 30, cpu_s=60, file=16 << 20, wall_s=60, hidden=(tmp_path / "var",))
    return Making(300, replace(plain, **bounds), None)  # type: ignore[arg-type]


async def made(making: Making, tmp_path: Path, content: bytes, media_type: str = PDF) -> list[Said]:
    work = tmp_path / "var" / "work"
    (work / "pages").mkdir(parents=True)
    (work / "source").write_bytes(content)
    return [said async for said in making.pages(work / "source", media_type, work / "pages")]


def page(tmp_path: Path, name: str) -> Image.Image:
    with Image.open(tmp_path / "var" / "work" / "pages" / name) as picture:
        return picture.convert("RGB")


async def test_each_page_is_drawn_in_three_sizes_and_its_words_are_kept(tmp_path: Path) -> None:
    content = decks.pdf((720, 405), (400, 300), words=("Light", "Shadow"))
    said = await made(making(tmp_path), tmp_path, content)
    assert said == [Sizes([(720, 405), (400, 300)]), Page(1), Page(2), Fonts(fonts=False)]
    assert (tmp_path / "var/work/pages/2-text.txt").read_text(encoding="utf-8") == "Shadow"
    for size, width in (("large", 2065), ("small", 1032), ("thumb", 252)):
        drawn = page(tmp_path, f"1-{size}.webp")
        assert abs(drawn.width - width) <= 2
        assert abs(drawn.width / drawn.height - 16 / 9) < 0.02
        assert min(drawn.convert("L").tobytes()) < 80, "letters on it"
        assert drawn.getpixel((drawn.width - 3, 3)) == (255, 255, 255)


@pytest.mark.long
async def test_a_strip_of_a_metre_keeps_its_form(tmp_path: Path) -> None:
    said = await made(making(tmp_path), tmp_path, decks.pdf((2835, 142)))
    assert said[0] == Sizes([(2835, 142)])
    large = page(tmp_path, "1-large.webp")
    assert 6800 < large.width <= 8000
    assert abs(large.width / large.height - 2835 / 142) < 0.2


@pytest.mark.long
async def test_letters_of_a_font_that_is_not_there_are_told(tmp_path: Path) -> None:
    said = await made(making(tmp_path), tmp_path, decks.pdf((400, 300), font="ComicSansMS"))
    assert said[-1] == Fonts(fonts=True)


async def test_a_picture_is_one_page_on_white(tmp_path: Path) -> None:
    out = io.BytesIO()
    Image.new("RGBA", (300, 100), (0, 0, 0, 0)).save(out, "PNG")
    said = await made(making(tmp_path), tmp_path, out.getvalue(), "image/png")
    assert said == [Sizes([(300, 100)]), Page(1), Fonts(fonts=False)]
    assert page(tmp_path, "1-large.webp").size == (300, 100)
    assert page(tmp_path, "1-large.webp").getpixel((50, 50)) == (255, 255, 255)


@pytest.mark.parametrize(
    ("content", "media_type", "reason"),
    [
        (b"%PDF-1.7\nnothing more", PDF, "broken"),
        (decks.pdf(), PDF, "broken"),
        (decks.locked_pdf(), PDF, "encrypted"),
        (decks.pdf(*[(400, 300)] * 4), PDF, "too_many_pages"),
        (b"\x89PNG\r\n\x1a\nno", "image/png", "broken"),
        (decks.presentation("hello"), decks.PRESENTATION, "no_office"),
    ],
    ids=["broken", "no pages", "password", "many pages", "broken picture", "office"],
)
async def test_what_cannot_be_made_is_said(
    tmp_path: Path, content: bytes, media_type: str, reason: str
) -> None:
    with pytest.raises(NotMade, match=reason):
        await made(replace(making(tmp_path), max_pages=3), tmp_path, content, media_type)


async def test_too_much_memory_ends_the_program_and_nothing_else(tmp_path: Path) -> None:
    with pytest.raises(NotMade, match="too_heavy"):
        await made(making(tmp_path, memory=60 << 20), tmp_path, decks.pdf((400, 300)))


async def test_too_much_time_ends_the_program_and_nothing_else(tmp_path: Path) -> None:
    with pytest.raises(NotMade, match="too_slow"):
        await made(making(tmp_path, wall_s=0.05), tmp_path, decks.pdf((400, 300)))


# --- the box ------------------------------------------------------------------------------------------

_LOOK = """
import os, resource, socket, sys
def can(call, *given):
    try:
        return bool(call(*given)) or True
    except OSError as error:
        return type(error).__name__
hidden, port = sys.argv[1], int(sys.argv[2])
print(can(socket.create_connection, ("127.0.0.1", port), 1))
print(can(open, os.path.join(hidden, "keys", "secret")))
print(can(open, "here"))
print(resource.getrlimit(resource.RLIMIT_AS)[0], sum(each.isdigit() for each in os.listdir("/proc")) < 4)
"""


def may_unshare() -> bool:
    """Whether this machine lets us make namespaces."""
    return os.geteuid() == 0 or not Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns").exists()


async def test_a_program_in_the_box_sees_no_network_and_nobodys_files(tmp_path: Path) -> None:
    if not may_unshare():
        pytest.skip("NOT RUN: this system gives ordinary users no namespaces, so a box only bounds")
    bounds = making(tmp_path).bounds
    work = tmp_path / "var" / "work"
    work.mkdir()
    (work / "here").write_bytes(b"")
    with socket.create_server(("127.0.0.1", 0)) as server:
        arguments = [sys.executable, "-c", _LOOK, str(tmp_path / "var"), str(server.getsockname()[1])]
        async with run(arguments, bounds, work, {}) as program:
            said = [line.decode().strip() async for line in program.lines()]
            await program.end()
    assert said == ["OSError", "FileNotFoundError", "True", f"{1 << 30} True"]
    assert (tmp_path / "var" / "keys" / "secret").read_bytes() == b"secret"


_LEAVES_A_CHILD = """
import subprocess, time
subprocess.Popen(["sh", "-c", "exec 3>held; echo >&3; sleep 60"])
time.sleep(60)
"""


async def test_children_of_the_program_end_with_it(tmp_path: Path) -> None:
    bounds = replace(making(tmp_path).bounds, wall_s=0.5)
    work = tmp_path / "var" / "work"
    work.mkdir()
    os.mkfifo(work / "held")
    reader = os.open(work / "held", os.O_RDONLY | os.O_NONBLOCK)

    async def leave() -> None:
        async with run([sys.executable, "-c", _LEAVES_A_CHILD], bounds, work, {}) as program:
            await program.end()

    try:
        with pytest.raises(Ended, match="too late"):
            await leave()
        os.set_blocking(reader, True)
        assert os.read(reader, 10) in (b"\n", b""), "the child was there, or did not come so far"
        assert os.read(reader, 10) == b"", "nobody holds it any more"
    finally:
        os.close(reader)


# --- office files --------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def office() -> str:
    """LibreOffice, installed where that may be done."""
    found = find_office("auto")
    if found is None and is_debian() and os.geteuid() == 0:
        apt_install(OFFICE_PACKAGES)
        found = find_office("auto")
    if found is None:
        pytest.skip(f"NOT RUN: install {' '.join(OFFICE_PACKAGES)}, so that office files can be read")
    return found


@pytest.mark.long
async def test_an_office_file_becomes_pages(tmp_path: Path, office: str) -> None:
    content = decks.presentation("Свет и тень", "Угол падения")
    said = await made(replace(making(tmp_path), office=office), tmp_path, content, decks.PRESENTATION)
    assert [each for each in said if isinstance(each, Page)] == [Page(1), Page(2)]
    assert (tmp_path / "var/work/pages/1-text.txt").read_text(encoding="utf-8") == "Свет и тень"


@pytest.mark.long
async def test_an_office_file_brings_no_file_of_the_machine(tmp_path: Path, office: str) -> None:
    if not may_unshare():
        pytest.skip("NOT RUN: this system gives ordinary users no namespaces, so a box only bounds")
    red = tmp_path / "red.png"
    Image.new("RGB", (200, 100), "red").save(red)
    content = decks.presentation("words", picture=f"file://{red}")
    await made(replace(making(tmp_path), office=office), tmp_path, content, decks.PRESENTATION)
    drawn = page(tmp_path, "1-large.webp")
    reds = [count for count, colour in drawn.getcolors(1 << 24) or [] if colour[0] > 200 and colour[1] < 60]  # type: ignore[index]
    assert sum(reds) < 1000, "the picture that only this machine has is on the page"


@pytest.mark.long
async def test_what_is_no_office_file_is_broken(tmp_path: Path, office: str) -> None:
    with pytest.raises(NotMade, match="broken"):
        await made(replace(making(tmp_path), office=office), tmp_path, b"PK\x03\x04 no", decks.PRESENTATION)


@pytest.mark.long
async def test_a_picture_bomb_in_a_pdf_stays_within_the_bounds(tmp_path: Path) -> None:
    """It is made or it is said why not: the memory that it may have is less than what it unpacks to."""
    reason = ""
    try:
        await made(making(tmp_path, memory=240 << 20, wall_s=30), tmp_path, decks.picture_bomb())
    except NotMade as not_made:
        reason = not_made.reason
    if reason not in ("too_heavy", "too_slow"):
        assert min(page(tmp_path, "1-thumb.webp").convert("L").tobytes()) < 30, f"black, or why not: {reason}"


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_three_hundred_pages_are_made_one_by_one(tmp_path: Path) -> None:
    said = await made(making(tmp_path, wall_s=300), tmp_path, decks.pdf(*[(720, 405)] * 300))
    assert [each.page for each in said if isinstance(each, Page)] == list(range(1, 301))
