"""The command ``zvonok``: serve, keys, teacher link, library link, recorder repair, status, drain,
jobs, lessons, erase, audit, config show, and what tests and measures a server: loadtest, bench, chaos."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from config.bell import VOID, CannotRing, add_load_tests, ring
from config.drain import CannotDrain, add_drain_arguments, drain
from config.settings import CONFIG_VARIABLE, Loaded, Settings, SettingsError, load, shown

if TYPE_CHECKING:
    from signaling.tickets import KeyRing

TEACHER: Final = "teacher"
"""Who the printed links sign in as, unless another id is asked for."""
STATUS_LIMIT_S: Final = 5.0


class Stopped(Exception):
    """A command cannot do its work; the message is one line for a person."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; its exit code. Whatever a person can mend is one line on stderr and code 1."""
    parser = _parser()
    chosen = parser.parse_args(arguments)
    try:
        code: int = chosen.run(chosen)
    except (SettingsError, Stopped) as error:
        print(f"zvonok: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="zvonok", description="Live video lessons for schools.")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--config", type=Path, metavar="FILE", help=f"settings file (or {CONFIG_VARIABLE})")
    common.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="GROUP.KEY=VALUE",
        help="one setting, above everything else",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    serve = commands.add_parser("serve", parents=[common], help="start a server here and print its links")
    serve.add_argument("--public", metavar="NAME", help="name or address for other machines (server.public)")
    serve.set_defaults(run=_serve)

    teacher = commands.add_parser("teacher", help="links for teachers").add_subparsers(
        required=True, metavar="WHAT"
    )
    link = teacher.add_parser("link", parents=[common], help="print a link that signs a teacher in, once")
    link.add_argument("teacher", nargs="?", default=TEACHER, help="id to sign in as (default: %(default)s)")
    link.set_defaults(run=_teacher_link)

    library = commands.add_parser("library", help="links to the video lessons").add_subparsers(
        required=True, metavar="WHAT"
    )
    library_link = library.add_parser(
        "link", parents=[common], help="print a link that opens the library, for 30 days"
    )
    library_link.set_defaults(run=_library_link)

    recorder = commands.add_parser("recorder", help="recordings").add_subparsers(
        required=True, metavar="WHAT"
    )
    repair = recorder.add_parser(
        "repair", parents=[common], help="finish recordings that a kill or a full disk left behind"
    )
    repair.set_defaults(run=_recorder_repair)

    keys = commands.add_parser("keys", help="secrets that all nodes share").add_subparsers(
        required=True, metavar="WHAT"
    )
    out = keys.add_parser("export", parents=[common], help="print them, for another node: keep it secret")
    out.set_defaults(run=_keys_export)
    into = keys.add_parser("import", parents=[common], help="take them in, before this node's first start")
    into.add_argument("file", nargs="?", type=Path, help="what export printed (default: standard input)")
    into.set_defaults(run=_keys_import)

    status = commands.add_parser("status", parents=[common], help="how the server here is doing")
    status.add_argument("--json", action="store_true", help="as each signalling process says it")
    status.set_defaults(run=_status)

    draining = commands.add_parser("drain", parents=[common], help="take a worker out of service")
    add_drain_arguments(draining)
    draining.set_defaults(run=_drain)

    behind = commands.add_parser("jobs", parents=[common], help="what is made of video lessons; try it again")
    _add_job_arguments(behind)
    behind.set_defaults(run=_jobs)

    lessons = commands.add_parser("lessons", parents=[common], help="lessons that are live here now")
    lessons.add_argument("--json", action="store_true", help="one JSON array")
    lessons.set_defaults(run=_lessons)

    lesson = commands.add_parser("lesson", parents=[common], help="one lesson: look at it, or end it")
    lesson.add_argument("lesson", metavar="ID", help="as zvonok lessons shows it")
    lesson.add_argument(
        "what", choices=("inspect", "end"), help="inspect: all there is to know of it; end: end it for all"
    )
    lesson.add_argument("--names", action="store_true", help="inspect: people's names beside their ids")
    lesson.add_argument("--json", action="store_true", help="one JSON object")
    lesson.set_defaults(run=_lesson)

    erasing = commands.add_parser(
        "erase", parents=[common], help="erase all that is kept about one person, out of videos too"
    )
    erasing.add_argument(
        "person", metavar="PERSON", help="a participant's id (or LESSON/ID), a device's, or a teacher's"
    )
    erasing.add_argument("--dry-run", action="store_true", help="only say what would be erased")
    erasing.set_defaults(run=_erase)

    auditing = commands.add_parser(
        "audit", parents=[common], help="what was recorded, deleted, withdrawn and erased, and by whom"
    )
    auditing.add_argument("--limit", type=int, default=200, help="how many of the newest (%(default)s)")
    auditing.add_argument("--json", action="store_true", help="one JSON array")
    auditing.set_defaults(run=_audit)

    config = commands.add_parser("config", help="settings").add_subparsers(required=True, metavar="WHAT")
    show = config.add_parser(
        "show", parents=[common], help="every setting, its value and where it comes from"
    )
    show.set_defaults(run=_config_show)

    loadtest = commands.add_parser("loadtest", help="test a server with many people").add_subparsers(
        required=True, metavar="WHAT"
    )
    add_load_tests(loadtest, common, _load_test)

    term = loadtest.add_parser(
        "term", help="whole lives of lessons at full speed: what they cost, and whether any is lost"
    )
    term.add_argument("--lessons", type=int, default=2000, help="how many (default 2000)")
    term.add_argument("--shards", type=int, default=2, help="processes that live them (default 2)")
    term.add_argument("--seed", type=int, default=0, help="another term")
    term.add_argument(
        "--folder", type=Path, help="keep what is made there; the same command goes on where it stopped"
    )
    term.add_argument("--json", action="store_true", help="one JSON object as the last line")
    term.set_defaults(run=_term)

    bench = commands.add_parser("bench", help="measure one part on this machine")
    bench.add_argument("name", help="what to measure, e.g. plane")
    bench.add_argument("--json", action="store_true", help="one JSON object as the last line")
    bench.set_defaults(run=_bench)

    chaos = commands.add_parser(
        "chaos", help="kill parts of a server of its own under lessons; 0 held, 1 violated, 2 void"
    )
    chaos.add_argument(
        "--seed", type=int, default=1, metavar="N", help="of what is killed when (%(default)s)"
    )
    chaos.add_argument(
        "--minutes", type=float, default=10.0, metavar="M", help="how long it goes on (%(default)s)"
    )
    chaos.add_argument("--json", action="store_true", help="one JSON object as the last line")
    chaos.set_defaults(run=_chaos)
    return parser


def _add_job_arguments(parser: argparse.ArgumentParser) -> None:
    from config.jobs import add_job_arguments

    add_job_arguments(parser)


def _overrides(chosen: argparse.Namespace) -> dict[str, Any]:
    overrides: dict[str, Any] = {}
    for assignment in chosen.set:
        dotted, separator, text = assignment.partition("=")
        if not separator:
            raise Stopped(f"--set {assignment}: GROUP.KEY=VALUE is wanted")
        overrides[dotted.strip()] = text
    if getattr(chosen, "public", None):
        overrides["server.public"] = chosen.public
    return overrides


def _load(chosen: argparse.Namespace) -> Loaded:
    return load(file=chosen.config, overrides=_overrides(chosen))


def _say(line: str) -> None:
    print(line, flush=True)


def _serve(chosen: argparse.Namespace) -> int:
    from config.checks import CannotStart
    from config.tree import Tree

    loaded = _load(chosen)

    def greet(origin: str, admin: str, took_s: float) -> None:
        server = loaded.settings.server
        _say(f"Zvonok is ready ({took_s:.1f} s).")
        _say("")
        _say(f"  Start a lesson   {_new_link(loaded.settings, TEACHER, origin)}")
        _say("                   (works once; `zvonok teacher link` makes another)")
        _say(f"  Status           {admin}/status")
        _say(f"  Library          {_new_library_link(loaded.settings, origin)}")
        if not server.public:
            _say("  Other machines   start it with make run PUBLIC=<name or address of this one>")
        if server.tls == "local":
            _say(f"  Other devices    trust this server once: {origin}/trust")
        if server.tls == "off" and server.public:
            _say(f"  HTTPS            is left to a proxy in front of port {server.port}")
        _say("")
        _say("Ctrl-C stops it.")

    try:
        asyncio.run(Tree(loaded, chosen.config, _overrides(chosen), _say, greet).run())
    except CannotStart as error:
        raise Stopped(str(error)) from None
    return 0


def _teacher_link(chosen: argparse.Namespace) -> int:
    return _print_link(chosen, lambda settings, origin: _new_link(settings, chosen.teacher, origin))


def _library_link(chosen: argparse.Namespace) -> int:
    return _print_link(chosen, _new_library_link)


def _print_link(chosen: argparse.Namespace, make: Callable[[Settings, str], str]) -> int:
    settings = _load(chosen).settings
    running = _running(settings)
    print(make(settings, str(running["origin"]) if running else settings.server.origin()))
    if running is None:
        print("(no server runs here now; the link works once one does)", file=sys.stderr)
    return 0


def _new_link(settings: Settings, teacher: str, origin: str) -> str:
    from signaling.tickets import issue_one_time_key

    # The key stands in the fragment, which browsers send to nobody and servers log nowhere.
    return f"{origin}/t#{issue_one_time_key(_cookie_keys(settings), teacher, int(time.time()))}"


def _new_library_link(settings: Settings, origin: str) -> str:
    from signaling.tickets import issue_library_key

    return f"{origin}/library#{issue_library_key(_cookie_keys(settings), int(time.time()))}"


def _cookie_keys(settings: Settings) -> KeyRing:
    from signaling.tickets import KeyRing

    try:
        settings.paths.secret("cookie.key")
        return KeyRing.read(settings.paths.keys / "cookie.key")
    except OSError as error:
        raise Stopped(
            f"{settings.paths.keys} cannot be used ({error.strerror}): run as the server's user"
        ) from None


def _keys_export(chosen: argparse.Namespace) -> int:
    from config.keys import export_keys

    settings = _load(chosen).settings
    try:
        print(export_keys(settings.paths, datetime.now(UTC)))
    except OSError as error:
        raise Stopped(
            f"{settings.paths.keys} cannot be used ({error.strerror}): run as the server's user"
        ) from None
    print("(whoever has this is a node: over a private line only, and delete it afterwards)", file=sys.stderr)
    return 0


def _keys_import(chosen: argparse.Namespace) -> int:
    from config.keys import BadKeys, import_keys

    settings = _load(chosen).settings
    try:
        text = chosen.file.read_text("utf-8") if chosen.file else sys.stdin.read()
        made = import_keys(settings.paths, text)
    except (BadKeys, UnicodeDecodeError) as error:
        raise Stopped(str(error)) from None
    except OSError as error:
        raise Stopped(f"{error.filename} cannot be used ({error.strerror})") from None
    print(f"{settings.paths.keys}: {', '.join(made) or 'all were there already'}")
    return 0


def _running(settings: Settings) -> dict[str, Any] | None:
    """What the running server wrote of itself; None when there is none."""
    from config.tree import RUNNING

    try:
        said = json.loads((settings.paths.var_path / RUNNING).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return said if isinstance(said, dict) and _lives(said.get("pid")) else None


def _lives(pid: object) -> bool:
    return isinstance(pid, int) and Path(f"/proc/{pid}").exists()


def _recorder_repair(chosen: argparse.Namespace) -> int:
    from sqlalchemy.exc import SQLAlchemyError

    from config.logs import log_to_stderr
    from recorder.repair import repair
    from signaling.files.api import StoreAway

    settings = _load(chosen).settings
    if settings.store.url:  # whose turn it is to finish a recording stands in Redis
        settings = _beside_the_server(chosen)
    log_to_stderr("warning")
    try:
        return 0 if asyncio.run(repair(settings, _say)) else 1
    except StoreAway as error:
        raise Stopped(f"the store cannot be used ({error.strerror}): check [store]") from None
    except SQLAlchemyError as error:
        raise Stopped(f"the database cannot be used ({type(error).__name__}): check sql.url") from None
    except OSError as error:
        place = error.filename or settings.paths.recordings
        raise Stopped(f"{place} cannot be used ({error.strerror}): run as the server's user") from None


def _status(chosen: argparse.Namespace) -> int:
    settings = _load(chosen).settings
    running = _running(settings)
    if running is None:
        raise Stopped(f"no server runs in {settings.paths.var}: start one with zvonok serve")
    said, silent = list[str](), list[str]()
    for admin in running["admins"]:
        try:
            said.append(_ask_status(f"{admin}/status"))
        except (urllib.error.URLError, OSError, ValueError) as error:
            silent.append(f"{admin}/status does not answer ({error}): see {settings.paths.log}")
    if not said:
        raise Stopped(silent[0])
    if not chosen.json:
        print(f"origin           {running['origin']}")
    for text in said:
        print(text if chosen.json else "\n".join(_lines(json.loads(text), "")))
    for line in silent:
        print(f"zvonok: {line}", file=sys.stderr)
    return 1 if silent else 0


def _ask_status(address: str) -> str:
    """What one signalling process says, JSON; raises OSError, ValueError."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(address, timeout=STATUS_LIMIT_S) as reply:
        text: str = reply.read().decode()
    json.loads(text)
    return text


def _drain(chosen: argparse.Namespace) -> int:
    settings = _load(chosen).settings
    running = _running(settings)
    if running is None:
        raise Stopped(f"no server runs in {settings.paths.var}: start one with zvonok serve")
    try:
        for line in drain(chosen, str(running["admins"][0])):
            print(line)
    except CannotDrain as error:
        raise Stopped(str(error)) from None
    return 0


def _jobs(chosen: argparse.Namespace) -> int:
    from config.jobs import CannotTell, jobs

    try:
        return jobs(_load(chosen).settings, chosen, _say)
    except CannotTell as error:
        raise Stopped(str(error)) from None


def _lessons(chosen: argparse.Namespace) -> int:
    from config.lessons import CannotTell, list_lessons

    try:
        return list_lessons(_beside_the_server(chosen), _say, as_json=chosen.json)
    except CannotTell as error:
        raise Stopped(str(error)) from None


def _lesson(chosen: argparse.Namespace) -> int:
    from config.lessons import CannotTell, end, inspect

    settings = _beside_the_server(chosen)
    try:
        if chosen.what == "end":
            return end(settings, chosen.lesson, _say, as_json=chosen.json)
        return inspect(settings, chosen.lesson, _say, as_json=chosen.json, names=chosen.names)
    except CannotTell as error:
        raise Stopped(str(error)) from None


def _beside_the_server(chosen: argparse.Namespace) -> Settings:
    """The settings, with the embedded Valkey of the running server where no other Redis is set."""
    loaded = _load(chosen)
    if loaded.settings.redis.url:
        return loaded.settings
    running = _running(loaded.settings)
    if running is None or not running.get("redis"):
        raise Stopped(f"no server runs in {loaded.settings.paths.var}: start one with zvonok serve")
    found = {
        "redis.url": running["redis"],
        "redis.password_file": str(loaded.settings.paths.keys / "redis.password"),
    }
    return load(file=chosen.config, overrides=_overrides(chosen) | found).settings


def _lines(value: Any, indent: str) -> list[str]:
    """A JSON object as indented lines of key and value."""
    if not isinstance(value, dict):
        return [f"{indent}{json.dumps(value, ensure_ascii=False)}"]
    lines: list[str] = []
    for key, item in value.items():
        if isinstance(item, dict) and item:
            lines += [f"{indent}{key}", *_lines(item, f"{indent}  ")]
        elif isinstance(item, list) and any(isinstance(entry, dict) for entry in item):
            for number, entry in enumerate(item):
                lines += [f"{indent}{key} {number}", *_lines(entry, f"{indent}  ")]
        else:
            text = item if isinstance(item, str) else json.dumps(item, ensure_ascii=False)
            lines.append(f"{indent}{key:<16} {text}")
    return lines


def _erase(chosen: argparse.Namespace) -> int:
    from config.consent import CannotErase, erase

    settings = _load(chosen).settings
    try:
        return erase(settings, chosen.person, _say, dry=chosen.dry_run)
    except CannotErase as error:
        raise Stopped(str(error)) from None
    except OSError as error:
        raise Stopped(
            f"{error.filename} cannot be used ({error.strerror}): run as the server's user"
        ) from None


def _audit(chosen: argparse.Namespace) -> int:
    from config.consent import CannotErase, audit

    try:
        return audit(_load(chosen).settings, max(1, chosen.limit), _say, as_json=chosen.json)
    except CannotErase as error:
        raise Stopped(str(error)) from None
    except OSError as error:
        raise Stopped(
            f"{error.filename} cannot be used ({error.strerror}): run as the server's user"
        ) from None


def _config_show(chosen: argparse.Namespace) -> int:
    rows = shown(_load(chosen))
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for dotted, value, source in rows:
        print(f"{dotted:<{widths[0]}}  {value:<{widths[1]}}  {source}")
    return 0


def _load_test(chosen: argparse.Namespace) -> int:
    def settings(more: Sequence[str]) -> Settings:
        return _load(argparse.Namespace(config=chosen.config, set=[*chosen.set, *more])).settings

    try:
        return ring(chosen, settings, _running)
    except CannotRing as error:
        print(f"zvonok: {error}", file=sys.stderr)
        return VOID


def _term(chosen: argparse.Namespace) -> int:
    from loadtest.term.run import run

    def say(words: str) -> None:
        print(words, file=sys.stderr, flush=True)

    report = run(chosen.lessons, shards=chosen.shards, seed=chosen.seed, folder=chosen.folder, say=say)
    print(report.to_json() if chosen.json else report.to_table(), flush=True)
    met = [report.figures[name].met for name in ("lessons", "lost", "leftovers", "repeated")]
    return VOID if None in met else 0 if all(met) else 1


def _bench(chosen: argparse.Namespace) -> int:
    from importlib import import_module
    from pkgutil import iter_modules

    import loadtest.bench
    from loadtest.bench._report import show

    names = sorted(
        module.name for module in iter_modules(loadtest.bench.__path__) if not module.name.startswith("_")
    )
    if chosen.name not in names:
        raise Stopped(f"no bench is called {chosen.name}; there are: {', '.join(names)}")
    return show(import_module(f"loadtest.bench.{chosen.name}").run, as_json=chosen.json)


def _chaos(chosen: argparse.Namespace) -> int:
    from loadtest.chaos.run import main as run

    return run(chosen.seed, chosen.minutes, as_json=chosen.json)


if __name__ == "__main__":
    raise SystemExit(main())
