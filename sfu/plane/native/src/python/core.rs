//! The core alone, for tests: what is `sfu.plane.core.Core` in Python.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use pyo3::{Bound, Py, PyAny, PyResult, Python};

use super::{commands, events};
use crate::api::{Event, TransportHandle};
use crate::egress::Batch;

/// Bytes, commands and time in; datagrams and events out. No hold, no pacing, no groups: every call is
/// answered at once.
#[pyclass(unsendable, module = "sfu.plane._native")]
pub(super) struct Core {
    inner: crate::core::Core,
    datagrams: Py<PyList>,
    /// Room for one datagram while it is unprotected in place.
    received: Vec<u8>,
    events: Vec<Event>,
}

#[pymethods]
impl Core {
    #[new]
    #[pyo3(signature = (plain, wall_offset_us))]
    fn new(py: Python<'_>, plain: bool, wall_offset_us: i64) -> Self {
        let mut inner = crate::core::Core::new(plain, wall_offset_us);
        inner.egress().paced = false;
        inner.egress().segmented = false;
        Self { inner, datagrams: PyList::empty(py).unbind(), received: Vec::new(), events: Vec::new() }
    }

    /// (datagram, (host, port)) in the order to send; the list object stays the same.
    #[getter]
    fn datagrams(&self, py: Python<'_>) -> Py<PyList> {
        self.datagrams.clone_ref(py)
    }

    fn receive(
        &mut self,
        py: Python<'_>,
        data: &[u8],
        address: &Bound<'_, PyAny>,
        now_us: i64,
    ) -> PyResult<()> {
        let from = events::socket_address(address)?;
        self.received.clear();
        self.received.extend_from_slice(data);
        self.inner.receive(&mut self.received, from, now_us);
        self.flush(py, now_us)
    }

    fn apply(&mut self, py: Python<'_>, commands: &Bound<'_, PyAny>, now_us: i64) -> PyResult<()> {
        for command in commands::read_all(commands)? {
            self.inner.apply(command, now_us);
        }
        self.inner.after_commands(now_us);
        self.flush(py, now_us)
    }

    fn tick(&mut self, py: Python<'_>, now_us: i64) -> PyResult<()> {
        self.inner.tick(now_us);
        self.flush(py, now_us)
    }

    fn drain_events<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        self.inner.drain_events(&mut self.events);
        let drained = PyList::empty(py);
        for event in self.events.drain(..) {
            drained.append(events::event(py, &event)?)?;
        }
        Ok(drained)
    }

    fn drop(&mut self, reason: &Bound<'_, PyAny>) -> PyResult<()> {
        self.inner.outbox.drop(commands::drop(reason)?);
        Ok(())
    }

    fn counters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        events::counters(py, self.inner.counters())
    }

    fn transport_state<'py>(
        &self,
        py: Python<'py>,
        transport: TransportHandle,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.inner.transport_state(transport).map(|state| events::transport_state(py, &state)).transpose()
    }
}

impl Core {
    fn flush(&mut self, py: Python<'_>, now_us: i64) -> PyResult<()> {
        let datagrams = self.datagrams.bind(py);
        let mut failed = None;
        self.inner.flush(now_us, &mut |batch: &mut Batch| {
            for message in &batch.messages {
                let bytes = batch.buffer.get(message.start..message.start + message.length);
                let pair = events::address(py, message.address).and_then(|address| {
                    datagrams.append((PyBytes::new(py, bytes.unwrap_or_default()), address))
                });
                if let Err(error) = pair {
                    failed = Some(error);
                }
            }
        });
        failed.map_or(Ok(()), Err)
    }
}
