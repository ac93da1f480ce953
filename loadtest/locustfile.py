"""A load test as Locust runs it: ``zvonok loadtest bell`` and the like, or ``locust -f loadtest/locustfile.py
--headless --scenario bell``.

Everything that a person does happens in a fleet (``loadtest.fleet``), a process beside this one; users tell
it what to do next and wait. With ``--master`` and ``--worker`` the master makes the lessons and hands out
the seats. Teachers' one-time keys come from the environment variable ``ZVONOK_BELL_KEYS``, apart by spaces.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
import time
from pathlib import Path
from typing import Any, Final

import gevent
import msgspec
from gevent.event import Event
from gevent.lock import Semaphore
from gevent.queue import Empty, Queue
from locust import LoadTestShape, User, events, task
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.exception import StopUser
from locust.runners import MasterRunner, Runner, WorkerRunner
from msgspec import Struct

from loadtest import report
from loadtest.bridge import FleetProcess
from loadtest.continuity import Heard
from loadtest.director import USERS_A_SECOND, CallFailed, Director
from loadtest.meter import TICK_S, Meter
from loadtest.scenario import SCENARIOS, WORDS
from loadtest.seats import Kind, Options, Seat
from loadtest.strike import kill_busiest
from loadtest.verdict import Outcome, Sample

KEYS: Final = "ZVONOK_BELL_KEYS"
COMMAND: Final = "ZVONOK_BELL_COMMAND"
SEAT_LIMIT_S: Final = 120.0
PROGRESS_S: Final = 2.0
SELDOM_S: Final = 15.0
"""Between lines of a run that is longer than ``LONG_S``."""
LONG_S: Final = 300.0
WORKER: Final = "sfu.worker"


class StepFailed(Exception):
    """What Locust's statistics show of a failed step."""


class Ticket(Struct, frozen=True):
    """A seat, and when (monotonic s) its person comes."""

    seat: Seat
    at_s: float


class Staff:
    """What the users of this process share: the fleets, the seats that came, what it all takes."""

    def __init__(self, runner: Runner, ca: str) -> None:
        self._runner = runner
        self._fleets = {name: FleetProcess(f"fleet {name}", ca) for name in ("signalling", "media")}
        for fleet in self._fleets.values():
            fleet.wait_started()
        self._tickets: dict[str, Queue[Ticket | None]] = {"teacher": Queue(), "student": Queue()}
        self._meter = Meter()
        self._metering = gevent.spawn(self._watch_itself)
        self._present = 0
        self._since_s = self._until_s = 0.0
        runner.register_message("bell_seat", self._seat)

    def _watch_itself(self) -> None:
        while True:
            self._meter.tick(time.monotonic(), time.process_time())
            gevent.sleep(TICK_S)

    def fleet(self, *, media: bool) -> FleetProcess:
        """Where such people sit."""
        return self._fleets["media" if media else "signalling"]

    def _seat(self, msg: Any, **_: Any) -> None:
        seat, in_s = msg.data["seat"], msg.data["in_s"]
        ticket = Ticket(msgspec.convert(seat, Seat), time.monotonic() + in_s) if seat else None
        self._tickets[msg.data["kind"]].put(ticket)

    def take(self, kind: Kind) -> Ticket:
        """A seat; raises StopUser when there is none."""
        self._runner.send_message("bell_ask", {"kind": kind})
        try:
            ticket: Ticket | None = self._tickets[kind].get(timeout=SEAT_LIMIT_S)
        except Empty:
            ticket = None
        if ticket is None:
            raise StopUser
        self._since_s = min(self._since_s or ticket.at_s, ticket.at_s)
        self._present += 1
        return ticket

    def settled(self, at_s: float) -> None:
        """Somebody is in, with all that they came for: what the load takes is measured until the last."""
        self._until_s = max(self._until_s, at_s)

    def report(self, outcome: Outcome) -> None:
        """Tell how it went; with the last one also what it took."""
        self._present -= 1
        self._runner.send_message("bell_outcome", msgspec.to_builtins(outcome))
        if self._present:
            return
        fault = ""
        usages = [msgspec.to_builtins(self._meter.usage("locust", self._since_s, self._until_s))]
        for fleet in self._fleets.values():
            try:
                usages.append(fleet.call("usage", since_s=self._since_s, until_s=self._until_s))
            except CallFailed as error:
                fault = str(error)
        self._runner.send_message("bell_usage", {"usages": usages, "fault": fault})

    def forget(self) -> None:
        """A new run begins."""
        self._since_s = self._until_s = 0.0

    def close(self) -> None:
        """Everybody leaves."""
        self._metering.kill()
        for fleet in self._fleets.values():
            fleet.close()


class Attendee(User):
    """Somebody who attends one lesson once."""

    abstract = True
    kind: Kind

    @task
    def attend(self) -> None:
        """Take a seat, attend, tell how it went; never again."""
        self._ticket = staff().take(self.kind)
        self._fleet = staff().fleet(media=self._ticket.seat.media)
        self._samples: list[Sample] = []
        self._dropped = ""
        self._last: dict[str, Any] = {}
        try:
            self.lesson()
        except CallFailed as error:
            self._note(Sample("fleet", 0.0, str(error)))
        except Exception as error:  # noqa: BLE001  # one user's crash is counted, and ends nobody else
            self._note(Sample("user", 0.0, f"{type(error).__name__}: {error}"))
        except gevent.GreenletExit:
            self._note(Sample("user", 0.0, "stopped before the end"))
            raise
        finally:
            seat = self._ticket.seat
            try:
                self._fleet.tell("close", person=seat.number)
            except CallFailed:
                pass
            staff().report(
                Outcome(
                    number=seat.number,
                    kind=seat.kind,
                    weight=seat.weight,
                    at_s=seat.at_s,
                    late_ms=self._last.get("late_ms", 0.0),
                    came_in=self._last.get("came_in", False),
                    dropped=self._dropped,
                    heard=msgspec.convert(self._last.get("heard"), Heard | None),
                    samples=tuple(self._samples),
                )
            )
        raise StopUser

    def lesson(self) -> None:
        """What this person does."""
        raise NotImplementedError

    def do(self, step: str, **values: Any) -> bool:
        """Have one step of ``loadtest.person.Person`` done; whether it went well."""
        done = self._last = self._fleet.call("step", person=self._ticket.seat.number, step=step, **values)
        for sample in msgspec.convert(done["samples"], list[Sample]):
            self._note(sample)
        self._dropped = self._dropped or done["lost"]
        listened = step == "stay" and self._ticket.seat.weight == "listener"
        if listened or step in ("enter", "show", "watch"):
            staff().settled(done["at_s"])
        return not done["failed"]

    def come_in(self) -> bool:
        """Come at one's time, and enter."""
        ticket = self._ticket
        arrived = self.do("arrive", seat=msgspec.to_builtins(ticket.seat), at_s=ticket.at_s)
        return arrived and self.do("enter")

    def _note(self, sample: Sample) -> None:
        self._samples.append(sample)
        self.environment.events.request.fire(
            request_type=sample.kind,
            name=self.kind,
            response_time=sample.ms,
            response_length=0,
            exception=StepFailed(sample.error) if sample.error else None,
            context={},
        )


class Teacher(Attendee):
    """Comes before the bell, shows and speaks, waits for the class to be gone and ends the lesson."""

    kind = "teacher"

    def lesson(self) -> None:
        """See the class."""
        if not self.come_in():
            return
        if self._ticket.seat.media:
            self.do("show")
        self.do("teach")
        self.do("end")


class Student(Attendee):
    """Comes with the bell, watches or not, raises a hand, says something, stays a while and goes."""

    kind = "student"

    def lesson(self) -> None:
        """See the class."""
        if not self.come_in():
            return
        if self._ticket.seat.media:
            self.do("watch")
        self.do("hand")
        self.do("chat")
        self.do("stay")
        if not self._dropped:
            self.do("leave")


class Bell(LoadTestShape):
    """Everybody is started at once and comes at their own time; the run is over when all are done."""

    def tick(self) -> tuple[int, float] | None:
        """As Locust asks, about once a second."""
        run = direction()
        run.director.look()
        run.say_progress()
        return None if run.director.over else (run.director.options.people, USERS_A_SECOND)


class Direction:
    """The director of this process, as Locust's events know it. ``fleet`` asks the server on its behalf."""

    def __init__(
        self, environment: Environment, runner: Runner, options: Options, fleet: FleetProcess, server: int
    ) -> None:
        chosen = environment.parsed_options
        self._ca = chosen.ca if chosen is not None else ""
        self._server = server
        self._environment = environment
        self._runner = runner
        self._options = options
        self._fleet = fleet
        self._said_s = 0.0
        self._concluding = Semaphore()
        self.director = self._new()
        runner.register_message("bell_ask", lambda msg, **_: self.director.ask(msg.data["kind"], msg.node_id))
        runner.register_message("bell_outcome", lambda msg, **_: self.director.heard(msg.data, msg.node_id))
        runner.register_message(
            "bell_usage", lambda msg, **_: self.director.used(**msg.data, node=msg.node_id)
        )

    def close(self) -> None:
        """The end."""
        self._fleet.close()

    def _new(self) -> Director:
        strike = (lambda: kill_busiest(self._server, WORKER)) if self._server else None
        return Director(self._options, self._call, self._runner.send_message, strike, _say)

    def _call(self, what: str, **values: Any) -> Any:
        if self._fleet.gone:  # lessons are still to be ended
            self._fleet = FleetProcess("direction", self._ca)
            self._fleet.wait_started()
        return self._fleet.call(what, **values)

    def begin(self) -> None:
        """A test starts."""
        if self.director.began:
            self.director = self._new()
        self.director.begin(self._environment.host or "", os.environ.get(KEYS, "").split())

    def say_progress(self) -> None:
        """Now and then one line."""
        now_s = time.monotonic()
        often_s = SELDOM_S if self._options.stay_s > LONG_S else PROGRESS_S
        if not self.director.began or now_s - self._said_s < often_s:
            return
        self._said_s = now_s
        entries = self._environment.stats.entries.items()
        came_in = sum(
            each.num_requests - each.num_failures for (_, kind), each in entries if kind == "roster"
        )
        failed = self._environment.stats.total.num_failures
        _say(f"{self.director.progress()}, {came_in} came in" + f", {failed} errors" * (failed > 0))

    def conclude(self) -> None:
        """A test is over: say the verdict, once; whoever comes later waits for that."""
        with self._concluding:
            self._conclude()

    def _conclude(self) -> None:
        if not self.director.began or self.director.verdict is not None:
            return
        verdict = self.director.conclude()
        self._environment.process_exit_code = verdict.exit_code
        print(report.table(verdict), flush=True)
        if to := getattr(self._environment.parsed_options, "bell_json", ""):
            host, command = self._environment.host or "", os.environ.get(COMMAND, shlex.join(sys.argv))
            found = report.as_json(verdict, self._options, host, self.director.outcomes, command)
            Path(to).write_text(json.dumps(found), encoding="utf-8")


def _say(line: str) -> None:
    print(line, flush=True)


_ready = Event()
_staff: Staff | None = None
_direction: Direction | None = None


def staff() -> Staff:
    """This process's; there is one wherever users run. A master may start users before it is ready."""
    _ready.wait(SEAT_LIMIT_S)
    assert _staff is not None
    return _staff


def direction() -> Direction:
    """This process's; there is one wherever a test is started."""
    assert _direction is not None
    return _direction


def _arguments(parser: LocustArgumentParser) -> None:
    group = parser.add_argument_group("Bell", "Lessons that begin with a bell.")
    shape = Options()
    group.add_argument("--scenario", choices=list(SCENARIOS), default="bell", help="what is to be reached")
    for name, text in WORDS.items():
        value = getattr(shape, name)
        option = f"--{name.replace('_', '-')}"
        group.add_argument(option, type=type(value), default=value, help=text)
    group.add_argument("--ca", default="", help="file of an authority to trust, for a server with tls local")
    group.add_argument("--bell-json", default="", metavar="FILE", help="write the verdict there")
    group.add_argument(
        "--bell-server", type=int, default=0, metavar="PID", help="whose worker is to be killed"
    )


def _init(environment: Environment, runner: Runner, **_: Any) -> None:
    global _staff, _direction
    chosen = environment.parsed_options
    assert chosen is not None
    if not isinstance(runner, MasterRunner):
        _staff = Staff(runner, chosen.ca)
        _ready.set()
    if isinstance(runner, WorkerRunner):
        return
    options = Options(**{name: getattr(chosen, name) for name in Options.__struct_fields__})
    Teacher.fixed_count, Student.fixed_count = options.all_lessons, options.all_students
    # Locust's own handler is not there yet while a shape runs.
    gevent.signal_handler(signal.SIGTERM, runner.quit)
    fleet = FleetProcess("direction", chosen.ca) if _staff is None else _staff.fleet(media=False)
    _direction = Direction(environment, runner, options, fleet, chosen.bell_server)


def _test_start(**_: Any) -> None:
    if _staff is not None:
        _staff.forget()
    if _direction is not None:
        _direction.begin()


def _test_stop(**_: Any) -> None:
    if _direction is not None:
        _direction.conclude()


def _quitting(**_: Any) -> None:
    if _direction is not None:
        _direction.conclude()
        _direction.close()
    if _staff is not None:
        _staff.close()


for _event, _listener in (
    (events.init_command_line_parser, _arguments),
    (events.init, _init),
    (events.test_start, _test_start),
    (events.test_stop, _test_stop),
    (events.quitting, _quitting),
):
    _event.add_listener(_listener)  # type: ignore[no-untyped-call]
