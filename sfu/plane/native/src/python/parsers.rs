//! What the plane reads of a datagram, for tests beside Python's parsers: instances of their classes.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};
use pyo3::{Bound, PyAny, PyErr, PyResult, Python};

use crate::parse::ParseError;
use crate::rtcp::{self, Packet, ReportBlock};
use crate::stun::{self, Message};
use crate::vp8;

/// `sfu.rtcp.parse`. Raises `sfu.model.ParseError`.
#[pyfunction]
pub(super) fn parse_rtcp<'py>(py: Python<'py>, data: &[u8]) -> PyResult<Vec<Bound<'py, PyAny>>> {
    let module = py.import("sfu.rtcp")?;
    let packets = rtcp::parse(data).map_err(|error| refused(py, error))?;
    packets.iter().map(|packet| rtcp_packet(py, &module, packet)).collect()
}

fn rtcp_packet<'py>(
    py: Python<'py>,
    module: &Bound<'py, PyModule>,
    packet: &Packet<'_>,
) -> PyResult<Bound<'py, PyAny>> {
    match packet {
        Packet::SenderReport(report) => module.getattr("SenderReport")?.call1((
            report.ssrc,
            report.ntp,
            report.rtp_timestamp,
            report.packet_count,
            report.octet_count,
            blocks(py, module, &report.reports)?,
        )),
        Packet::ReceiverReport(report) => {
            module.getattr("ReceiverReport")?.call1((report.ssrc, blocks(py, module, &report.reports)?))
        }
        Packet::Nack(nack) => {
            module.getattr("Nack")?.call1((nack.sender_ssrc, nack.media_ssrc, PyTuple::new(py, &nack.lost)?))
        }
        Packet::Pli(pli) => module.getattr("Pli")?.call1((pli.sender_ssrc, pli.media_ssrc)),
        Packet::Fir(fir) => module.getattr("Fir")?.call1((fir.sender_ssrc, PyTuple::new(py, &fir.requests)?)),
        Packet::Remb(remb) => {
            module.getattr("Remb")?.call1((remb.sender_ssrc, remb.bps, PyTuple::new(py, &remb.ssrcs)?))
        }
        Packet::Sdes(sdes) => {
            let cnames = sdes.cnames.iter().map(|(ssrc, name)| (*ssrc, name.as_ref()));
            module.getattr("Sdes")?.call1((PyTuple::new(py, cnames.collect::<Vec<_>>())?,))
        }
        Packet::Bye(bye) => module.getattr("Bye")?.call1((PyTuple::new(py, &bye.ssrcs)?,)),
        Packet::ReceiverReference(reference) => {
            module.getattr("ReceiverReference")?.call1((reference.sender_ssrc, reference.ntp))
        }
        Packet::Other(other) => {
            module.getattr("Other")?.call1((other.packet_type, other.count, PyBytes::new(py, other.body)))
        }
    }
}

fn blocks<'py>(
    py: Python<'py>,
    module: &Bound<'py, PyModule>,
    reports: &[ReportBlock],
) -> PyResult<Bound<'py, PyTuple>> {
    let class = module.getattr("ReportBlock")?;
    let made = reports.iter().map(|block| {
        class.call1((
            block.ssrc,
            block.fraction_lost,
            block.packets_lost,
            block.highest_sequence,
            block.jitter,
            block.lsr,
            block.dlsr,
        ))
    });
    PyTuple::new(py, made.collect::<PyResult<Vec<_>>>()?)
}

/// `sfu.stun.parse`. Raises `sfu.model.ParseError`.
#[pyfunction]
pub(super) fn parse_stun<'py>(py: Python<'py>, data: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    let module = py.import("sfu.stun")?;
    let bytes = |bytes: &[u8]| PyBytes::new(py, bytes);
    match stun::parse(data).map_err(|error| refused(py, error))? {
        Message::Request(request) => module.getattr("BindingRequest")?.call1((
            bytes(&request.transaction_id),
            request.local_ufrag,
            request.remote_ufrag,
            request.priority,
            request.use_candidate,
            request.controlling,
            request.controlled,
            PyTuple::new(py, &request.unknown_attributes)?,
            request.integrity.map(|integrity| bytes(integrity)),
            bytes(request.covered),
        )),
        Message::Success(success) => module.getattr("BindingSuccess")?.call1((
            bytes(&success.transaction_id),
            success.mapped_address.map(|address| (address.ip().to_string(), address.port())),
            success.integrity.map(|integrity| bytes(integrity)),
            bytes(success.covered),
        )),
        Message::Error(error) => module.getattr("BindingError")?.call1((
            bytes(&error.transaction_id),
            error.code,
            error.reason,
            error.integrity.map(|integrity| bytes(integrity)),
            bytes(error.covered),
        )),
        Message::Indication(transaction_id) => {
            module.getattr("BindingIndication")?.call1((bytes(&transaction_id),))
        }
    }
}

/// `sfu.codecs.vp8.parse_descriptor`. Raises `sfu.model.ParseError`.
#[pyfunction]
pub(super) fn parse_vp8<'py>(py: Python<'py>, payload: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    let found = vp8::parse_descriptor(payload).map_err(|error| refused(py, error))?;
    let class = py.import("sfu.codecs.vp8")?.getattr("Vp8Descriptor")?;
    let fields = pyo3::types::PyDict::new(py);
    fields.set_item("start", found.start)?;
    fields.set_item("keyframe", found.keyframe)?;
    fields.set_item("size", found.size)?;
    fields.set_item("non_reference", found.non_reference)?;
    fields.set_item("picture_id", found.picture_id)?;
    fields.set_item("picture_id_bits", found.picture_id_bits)?;
    fields.set_item("picture_id_offset", found.picture_id_offset)?;
    fields.set_item("tl0picidx", found.tl0picidx)?;
    fields.set_item("tl0picidx_offset", found.tl0picidx_offset)?;
    fields.set_item("tid", found.tid)?;
    fields.set_item("layer_sync", found.layer_sync)?;
    fields.set_item("keyidx", found.keyidx)?;
    fields.set_item("keyframe_width", found.keyframe_width)?;
    fields.set_item("keyframe_height", found.keyframe_height)?;
    class.call((), Some(&fields))
}

fn refused(py: Python<'_>, error: ParseError) -> PyErr {
    let class = py.import("sfu.model").and_then(|model| model.getattr("ParseError"));
    match class.and_then(|class| class.call1((error.reason, error.offset))) {
        Ok(instance) => PyErr::from_value(instance),
        Err(failed) => failed,
    }
}
