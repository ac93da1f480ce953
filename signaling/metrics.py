"""What signalling counts; served by the admin listener. No label ever holds a person or a lesson."""

from __future__ import annotations

from collections import Counter as Counted
from collections.abc import Collection

from prometheus_client import Counter, Gauge, Histogram

from sfu.rpc.messages import Status
from sfu.rpc.registration import WorkerRecord

clients = Gauge("zvonok_clients", "Open WebSockets")
lessons = Gauge("zvonok_lessons", "Lessons held by this process")
workers = Gauge("zvonok_workers", "Connected workers")
events = Counter("zvonok_events", "Events appended to lesson logs", ["kind"])
conflicts = Counter("zvonok_log_conflicts", "Changes decided again because somebody was faster")
restored = Counter("zvonok_lessons_restored", "Lessons written to Redis again after it had lost them")
refused = Counter("zvonok_refused", "Requests that were refused", ["code"])
dropped = Counter("zvonok_frames_dropped", "Frames of clients that went no further", ["reason"])
closed = Counter("zvonok_clients_closed", "Clients closed by the server", ["code"])
http = Counter("zvonok_http_requests", "HTTP requests", ["route", "status"])
media = Counter("zvonok_media_requests", "Requests for files of video lessons", ["file"])
join_seconds = Histogram(
    "zvonok_hello_seconds",
    "From hello to welcome or waiting",
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.25, 0.5, 1, 2, 5),
)
archived = Counter("zvonok_events_archived", "Events copied to SQL")
archive_waiting = Gauge("zvonok_events_unarchived", "Events not yet copied to SQL")
failures = Counter("zvonok_failures", "Faults of our own", ["where"])
for _where in (
    "announced",
    "retention",
    "slides",
    "archive",
    "http",
    "lessons",
    "library",
    "log",
    "request",
    "session",
    "socket",
    "tick",
    "workers",
):
    failures.labels(_where)  # so that the first fault is growth

# What connected workers said last; their counts begin anew when a worker does.
worker_lessons = Gauge("zvonok_worker_lessons", "Lessons on a worker", ["worker"])
worker_transports = Gauge("zvonok_worker_transports", "Media connections of a worker", ["worker"])
worker_cpu = Gauge("zvonok_worker_cpu_cores", "Cores used by a worker", ["worker"])
worker_datagrams = Gauge("zvonok_worker_datagrams", "Datagrams of a worker so far", ["worker", "direction"])
worker_bytes = Gauge(
    "zvonok_worker_bytes", "Bytes in a worker's datagrams so far, without IP and UDP", ["worker", "direction"]
)
worker_forwarded = Gauge(
    "zvonok_worker_packets_forwarded", "RTP packets sent through slots so far", ["worker"]
)
worker_dropped = Gauge("zvonok_worker_dropped", "Packets that went no further so far", ["worker", "reason"])


registered_workers = Gauge("zvonok_workers_registered", "Workers that announce themselves", ["plane"])
ready_workers = Gauge("zvonok_workers_ready", "Registered workers that take lessons")

loop_lag = Histogram(
    "zvonok_loop_lag_seconds",
    "How late the event loop came round, ten times a second",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
redis_up = Gauge("zvonok_redis_up", "1 while Redis answers")
sql_up = Gauge("zvonok_sql_up", "1 while the database answers")

objective_due = Counter("zvonok_objective_due", "What an objective is counted of", ["objective"])
objective_met = Counter("zvonok_objective_met", "How much of it was as it should be", ["objective"])


def values(counter: Counter) -> dict[str, int]:
    """What a counter with one label counted, by the label's value."""
    samples = (sample for family in counter.collect() for sample in family.samples)
    return {
        next(iter(sample.labels.values())): int(sample.value)
        for sample in samples
        if sample.name.endswith("_total")
    }


def registered(records: Collection[WorkerRecord]) -> None:
    """Take over which data planes the registered workers run, and how many of them take lessons."""
    registered_workers.clear()
    for plane, count in Counted(record.plane for record in records).items():
        registered_workers.labels(plane).set(count)
    ready_workers.set(sum(record.takes_lessons for record in records))


def worker_said(status: Status) -> None:
    """Take over a worker's own figures."""
    worker_lessons.labels(status.worker).set(status.lessons)
    worker_transports.labels(status.worker).set(status.transports)
    worker_cpu.labels(status.worker).set(status.cpu)
    worker_datagrams.labels(status.worker, "in").set(status.packets_in)
    worker_datagrams.labels(status.worker, "out").set(status.packets_out)
    worker_bytes.labels(status.worker, "in").set(status.bytes_in)
    worker_bytes.labels(status.worker, "out").set(status.bytes_out)
    worker_forwarded.labels(status.worker).set(status.packets_forwarded)
    for reason, count in status.dropped.items():
        worker_dropped.labels(status.worker, reason).set(count)


def worker_gone(worker: str) -> None:
    """Forget the figures of a worker that is not connected any more."""
    for gauge in (
        worker_lessons,
        worker_transports,
        worker_cpu,
        worker_datagrams,
        worker_bytes,
        worker_forwarded,
        worker_dropped,
    ):
        gauge.remove_by_labels({"worker": worker})
