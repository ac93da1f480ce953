//! Events, totals and states as instances of the classes of `sfu.plane.api`.

use std::net::{IpAddr, SocketAddr};

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{IntoPyDict, PyBytes, PyDict, PyString, PyTuple};
use pyo3::{Bound, Py, PyAny, PyResult, Python, intern};

use crate::api::{Counters, Drop, Event, TransportState};

/// The contract's classes, imported once.
struct Classes {
    dtls_received: Py<PyAny>,
    address_nominated: Py<PyAny>,
    consent_lost: Py<PyAny>,
    stream_bound: Py<PyAny>,
    slot_switched: Py<PyAny>,
    levels: Py<PyAny>,
    source_state: Py<PyAny>,
    transport_state: Py<PyAny>,
    tapped: Py<PyAny>,
    counters: Py<PyAny>,
    /// By `Drop as usize`.
    reasons: Vec<Py<PyAny>>,
}

static CLASSES: PyOnceLock<Classes> = PyOnceLock::new();

fn classes(py: Python<'_>) -> PyResult<&Classes> {
    CLASSES.get_or_try_init(py, || {
        let api = py.import("sfu.plane.api")?;
        let class = |name: &str| api.getattr(name).map(Bound::unbind);
        let reason = api.getattr("Drop")?;
        let reasons = Drop::ALL.iter().map(|each| Ok(reason.call1((each.text(),))?.unbind()));
        Ok(Classes {
            dtls_received: class("DtlsReceived")?,
            address_nominated: class("AddressNominated")?,
            consent_lost: class("ConsentLost")?,
            stream_bound: class("StreamBound")?,
            slot_switched: class("SlotSwitched")?,
            levels: class("Levels")?,
            source_state: class("SourceState")?,
            transport_state: class("TransportState")?,
            tapped: class("Tapped")?,
            counters: class("Counters")?,
            reasons: reasons.collect::<PyResult<_>>()?,
        })
    })
}

/// The event's counterpart in Python.
pub(super) fn event<'py>(py: Python<'py>, event: &Event) -> PyResult<Bound<'py, PyAny>> {
    let classes = classes(py)?;
    match event {
        Event::DtlsReceived { transport, datagram } => {
            classes.dtls_received.bind(py).call1((*transport, PyBytes::new(py, datagram)))
        }
        Event::AddressNominated { transport, address: to } => {
            classes.address_nominated.bind(py).call1((*transport, address(py, *to)?))
        }
        Event::ConsentLost { transport } => classes.consent_lost.bind(py).call1((*transport,)),
        Event::StreamBound { source, layer, ssrc, rtx } => {
            classes.stream_bound.bind(py).call1((*source, *layer, *ssrc, *rtx))
        }
        Event::SlotSwitched { slot, source, layer } => {
            classes.slot_switched.bind(py).call1((*slot, *source, *layer))
        }
        Event::Levels { levels } => classes.levels.bind(py).call1((PyTuple::new(py, levels)?,)),
        Event::SourceState { source, packets, lost, layer_bps } => {
            classes.source_state.bind(py).call1((*source, *packets, *lost, PyTuple::new(py, layer_bps)?))
        }
        Event::TransportState(state) => transport_state(py, state),
        Event::Tapped { tap, packets, dropped, last } => {
            let packets = packets.iter().map(|(at_us, packet)| (*at_us, PyBytes::new(py, packet)));
            let packets = PyTuple::new(py, packets.collect::<Vec<_>>())?;
            classes.tapped.bind(py).call1((*tap, packets, *dropped, *last))
        }
        Event::Failed { reason } => Err(PyRuntimeError::new_err(reason.clone())),
    }
}

/// The state's counterpart in Python.
pub(super) fn transport_state<'py>(py: Python<'py>, state: &TransportState) -> PyResult<Bound<'py, PyAny>> {
    #[expect(clippy::cast_precision_loss, reason = "below 2^53 us")]
    let round_trip_ms = state.round_trip_us.map(|us| us as f64 / 1000.0);
    let counts = [
        ("media_bytes_sent", state.media_bytes_sent),
        ("pictures_reported", state.pictures_reported),
        ("pictures_lost", state.pictures_lost),
        ("sound_reported", state.sound_reported),
        ("sound_lost", state.sound_lost),
    ]
    .into_py_dict(py)?;
    let figures = (
        state.transport,
        state.fraction_lost,
        round_trip_ms,
        state.remb_bps,
        state.packets_received,
        state.packets_sent,
        state.bytes_received,
        state.bytes_sent,
    );
    classes(py)?.transport_state.bind(py).call(figures, Some(&counts))
}

/// The totals' counterpart in Python; reasons that never occurred are left out.
pub(super) fn counters<'py>(py: Python<'py>, counters: &Counters) -> PyResult<Bound<'py, PyAny>> {
    let classes = classes(py)?;
    let dropped = PyDict::new(py);
    for (reason, count) in classes.reasons.iter().zip(counters.dropped) {
        if count > 0 {
            dropped.set_item(reason, count)?;
        }
    }
    let fields = PyDict::new(py);
    fields.set_item(intern!(py, "datagrams_in"), counters.datagrams_in)?;
    fields.set_item(intern!(py, "datagrams_out"), counters.datagrams_out)?;
    fields.set_item(intern!(py, "bytes_in"), counters.bytes_in)?;
    fields.set_item(intern!(py, "bytes_out"), counters.bytes_out)?;
    fields.set_item(intern!(py, "packets_forwarded"), counters.packets_forwarded)?;
    fields.set_item(intern!(py, "packets_retransmitted"), counters.packets_retransmitted)?;
    fields.set_item(intern!(py, "nacks_received"), counters.nacks_received)?;
    fields.set_item(intern!(py, "nacks_sent"), counters.nacks_sent)?;
    fields.set_item(intern!(py, "keyframe_requests_received"), counters.keyframe_requests_received)?;
    fields.set_item(intern!(py, "keyframe_requests_sent"), counters.keyframe_requests_sent)?;
    fields.set_item(intern!(py, "dropped"), dropped)?;
    classes.counters.bind(py).call((), Some(&fields))
}

/// (IP address as text, port); a mapped IPv4 address as plain IPv4.
pub(super) fn address(py: Python<'_>, address: SocketAddr) -> PyResult<Bound<'_, PyTuple>> {
    let text = match address {
        SocketAddr::V6(v6) if v6.scope_id() != 0 => format!("{}%{}", v6.ip(), v6.scope_id()),
        other => other.ip().to_canonical().to_string(),
    };
    (PyString::new(py, &text), address.port()).into_pyobject(py)
}

/// What a socket of Python's gives: (host, port) or (host, port, flow, scope); mapped IPv4 becomes plain.
pub(super) fn socket_address(address: &Bound<'_, PyAny>) -> PyResult<SocketAddr> {
    let host: String = address.get_item(0)?.extract()?;
    let port: u16 = address.get_item(1)?.extract()?;
    let bare = host.split('%').next().unwrap_or_default();
    let ip: IpAddr =
        bare.parse().map_err(|_| PyValueError::new_err(format!("{host:?} is not an IP address")))?;
    Ok(SocketAddr::new(ip.to_canonical(), port))
}
