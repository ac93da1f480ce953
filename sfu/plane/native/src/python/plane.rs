//! The plane on its own thread: what `sfu/plane/threaded.py` wraps.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use pyo3::exceptions::{PyOSError, PyRuntimeError};
use pyo3::prelude::*;
use pyo3::types::{PyFrozenSet, PyList};
use pyo3::{Bound, PyAny, PyErr, PyResult, Python};

use super::{commands, events};
use crate::api::{Counters, Event, TransportHandle};
use crate::socket::{Limits, Socket};
use crate::thread::{NotTaken, Options, PlaneThread};

/// What is there while the plane runs, and what is left of it afterwards.
struct Inside {
    thread: Option<Arc<PlaneThread>>,
    last: Counters,
}

/// One UDP port and its thread, from construction until `close`.
#[pyclass(frozen, module = "sfu.plane._native")]
pub(super) struct Plane {
    inside: Mutex<Inside>,
    port: u16,
    failure: OnceLock<String>,
}

#[pymethods]
impl Plane {
    #[new]
    #[pyo3(signature = (host, port, wall_offset_us, *, segmentation = true, many_messages = true))]
    fn new(
        py: Python<'_>,
        host: &str,
        port: u16,
        wall_offset_us: i64,
        segmentation: bool,
        many_messages: bool,
    ) -> PyResult<Self> {
        let started = Socket::bind(host, port).and_then(|socket| {
            let port = socket.address()?.port();
            let limits = Limits { many_messages, segmentation, ..Limits::default() };
            let options = Options { wall_offset_us, plain: false, limits };
            Ok((PlaneThread::start(socket, options)?, port))
        });
        let (thread, port) = started.map_err(|error| os_error(py, &error))?;
        let inside = Inside { thread: Some(Arc::new(thread)), last: Counters::default() };
        Ok(Self { inside: Mutex::new(inside), port, failure: OnceLock::new() })
    }

    /// The UDP port that is bound.
    #[getter]
    fn port(&self) -> u16 {
        self.port
    }

    /// Readable when there are events to drain; -1 after `close`.
    #[getter]
    fn event_fd(&self) -> i32 {
        self.thread().map_or(-1, |thread| thread.event_fd())
    }

    /// Why the thread ended by itself, which is our bug; told once the events were drained.
    #[getter]
    fn failure(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }

    /// Events that were not kept because nobody drained them.
    #[getter]
    fn events_lost(&self) -> u64 {
        self.thread().map_or(0, |thread| thread.events_lost())
    }

    /// What this plane can do on this machine beyond the core contract.
    fn capabilities<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyFrozenSet>> {
        let segmented = self.thread().is_some_and(|thread| thread.is_segmented());
        PyFrozenSet::new(py, if segmented { &["pacing", "pad_frames"][..] } else { &["pacing"] })
    }

    /// Hand over commands, to be carried out in order. Waits only while too many wait already, without the GIL.
    /// Raises `RuntimeError` when the thread does not take them.
    fn apply(&self, py: Python<'_>, commands: &Bound<'_, PyAny>) -> PyResult<()> {
        let commands = commands::read_all(commands)?;
        let thread = self.thread();
        let applied = py.detach(|| thread.map_or(Err(NotTaken::Stopped), |thread| thread.apply(commands)));
        applied.map_err(|error| PyRuntimeError::new_err(error.to_string()))
    }

    /// The events since the last call, in order.
    fn drain_events<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let drained = PyList::empty(py);
        let Some(thread) = self.thread() else { return Ok(drained) };
        for event in thread.drain_events() {
            if let Event::Failed { reason } = event {
                // Only the first is the reason.
                let _ = self.failure.set(reason);
            } else {
                drained.append(events::event(py, &event)?)?;
            }
        }
        Ok(drained)
    }

    /// The totals; after `close` the last ones.
    fn counters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let counters = match self.thread() {
            Some(thread) => thread.counters(),
            None => self.lock().last.clone(),
        };
        events::counters(py, &counters)
    }

    /// One transport's state of 100 ms ago at most, None when it is unknown.
    fn transport_state<'py>(
        &self,
        py: Python<'py>,
        transport: TransportHandle,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let state = self.thread().and_then(|thread| thread.transport_state(transport));
        state.map(|state| events::transport_state(py, &state)).transpose()
    }

    /// Stop sending, close the port, wait for the thread's end. Idempotent.
    fn close(&self, py: Python<'_>) {
        let thread = self.lock().thread.take();
        if let Some(thread) = thread {
            py.detach(|| thread.stop());
            self.lock().last = thread.counters();
        }
    }
}

impl Plane {
    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn thread(&self) -> Option<Arc<PlaneThread>> {
        self.lock().thread.clone()
    }
}

/// With the number and its words, as Python's own socket calls raise it.
fn os_error(py: Python<'_>, error: &io::Error) -> PyErr {
    let Some(number) = error.raw_os_error() else {
        return PyOSError::new_err(error.to_string());
    };
    match py.import("os").and_then(|os| os.call_method1("strerror", (number,))) {
        Ok(words) => PyOSError::new_err((number, words.unbind())),
        Err(failed) => failed,
    }
}
