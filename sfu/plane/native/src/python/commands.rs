//! Commands of the contract, read from the dataclasses of `sfu.plane.api` by class name and attributes.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3::{Bound, PyAny, PyResult, intern};

use crate::api::{AddSlot, AddSource, AddTransport, Codec, Command, Drop, ExtensionIds, SrtpProfile};

macro_rules! field {
    ($object:expr, $name:literal) => {
        $object.getattr(intern!($object.py(), $name))?.extract()?
    };
}

/// All of them or none: a command that can't be read raises before the first is carried out.
pub(super) fn read_all(commands: &Bound<'_, PyAny>) -> PyResult<Vec<Command>> {
    commands.try_iter()?.map(|command| read(&command?)).collect()
}

fn read(command: &Bound<'_, PyAny>) -> PyResult<Command> {
    let name = command.get_type().name()?;
    Ok(match name.to_str()? {
        "SetForward" => Command::SetForward {
            slot: field!(command, "slot"),
            source: field!(command, "source"),
            layer: field!(command, "layer"),
            temporal: field!(command, "temporal"),
        },
        "SetGate" => Command::SetGate { source: field!(command, "source"), open: field!(command, "open") },
        "SendDtls" => Command::SendDtls {
            transport: field!(command, "transport"),
            datagram: field!(command, "datagram"),
        },
        "AddTransport" => Command::AddTransport(AddTransport {
            transport: field!(command, "transport"),
            local_ufrag: field!(command, "local_ufrag"),
            local_pwd: field!(command, "local_pwd"),
            remote_ufrag: field!(command, "remote_ufrag"),
            remote_pwd: field!(command, "remote_pwd"),
            max_ingress_bps: field!(command, "max_ingress_bps"),
            pad_frames: field!(command, "pad_frames"),
        }),
        "RestartIce" => Command::RestartIce {
            transport: field!(command, "transport"),
            local_ufrag: field!(command, "local_ufrag"),
            local_pwd: field!(command, "local_pwd"),
            remote_ufrag: field!(command, "remote_ufrag"),
        },
        "SetKeys" => Command::SetKeys {
            transport: field!(command, "transport"),
            profile: profile(&command.getattr(intern!(command.py(), "profile"))?)?,
            receive_key: field!(command, "receive_key"),
            send_key: field!(command, "send_key"),
        },
        "RemoveTransport" => Command::RemoveTransport { transport: field!(command, "transport") },
        "AddSource" => Command::AddSource(AddSource {
            source: field!(command, "source"),
            transport: field!(command, "transport"),
            codec: codec(command)?,
            clock_rate: field!(command, "clock_rate"),
            mid: field!(command, "mid"),
            payload_type: field!(command, "payload_type"),
            rtx_payload_type: field!(command, "rtx_payload_type"),
            extensions: extensions(command)?,
            rids: field!(command, "rids"),
            ssrcs: field!(command, "ssrcs"),
            rtx_ssrcs: field!(command, "rtx_ssrcs"),
            open: field!(command, "open"),
            red_payload_type: field!(command, "red_payload_type"),
        }),
        "AddSlot" => Command::AddSlot(AddSlot {
            slot: field!(command, "slot"),
            transport: field!(command, "transport"),
            codec: codec(command)?,
            clock_rate: field!(command, "clock_rate"),
            mid: field!(command, "mid"),
            ssrc: field!(command, "ssrc"),
            rtx_ssrc: field!(command, "rtx_ssrc"),
            cname: field!(command, "cname"),
            payload_type: field!(command, "payload_type"),
            rtx_payload_type: field!(command, "rtx_payload_type"),
            extensions: extensions(command)?,
            first_sequence_number: field!(command, "first_sequence_number"),
            first_timestamp: field!(command, "first_timestamp"),
            red_payload_type: field!(command, "red_payload_type"),
        }),
        "SetRedundancy" => Command::SetRedundancy {
            transport: field!(command, "transport"),
            distance: field!(command, "distance"),
        },
        "RequestKeyframe" => Command::RequestKeyframe { source: field!(command, "source") },
        "SetIngressEstimate" => Command::SetIngressEstimate {
            transport: field!(command, "transport"),
            bps: field!(command, "bps"),
        },
        "SetPacing" => {
            Command::SetPacing { transport: field!(command, "transport"), bps: field!(command, "bps") }
        }
        "AddTap" => Command::AddTap {
            tap: field!(command, "tap"),
            source: field!(command, "source"),
            layer: field!(command, "layer"),
        },
        "RemoveTap" => Command::RemoveTap { tap: field!(command, "tap") },
        other => return Err(PyTypeError::new_err(format!("{other} is not a command of the plane"))),
    })
}

fn codec(command: &Bound<'_, PyAny>) -> PyResult<Codec> {
    let text: PyBackedStr = field!(command, "codec");
    match &*text {
        "opus" => Ok(Codec::Opus),
        "vp8" => Ok(Codec::Vp8),
        other => Err(PyValueError::new_err(format!("unknown codec {other}"))),
    }
}

fn extensions(command: &Bound<'_, PyAny>) -> PyResult<ExtensionIds> {
    let ids = command.getattr(intern!(command.py(), "extensions"))?;
    Ok(ExtensionIds {
        mid: field!(ids, "mid"),
        rid: field!(ids, "rid"),
        repaired_rid: field!(ids, "repaired_rid"),
        abs_send_time: field!(ids, "abs_send_time"),
        audio_level: field!(ids, "audio_level"),
    })
}

/// A member of `SrtpProfile`, by its text.
pub(super) fn profile(member: &Bound<'_, PyAny>) -> PyResult<SrtpProfile> {
    let text: PyBackedStr = member.extract()?;
    match &*text {
        "SRTP_AEAD_AES_128_GCM" => Ok(SrtpProfile::AeadAes128Gcm),
        "SRTP_AEAD_AES_256_GCM" => Ok(SrtpProfile::AeadAes256Gcm),
        "SRTP_AES128_CM_SHA1_80" => Ok(SrtpProfile::Aes128CmSha1_80),
        other => Err(PyValueError::new_err(format!("unknown SRTP profile {other}"))),
    }
}

/// A member of `Drop`, by its text.
pub(super) fn drop(member: &Bound<'_, PyAny>) -> PyResult<Drop> {
    let text: PyBackedStr = member.extract()?;
    let found = Drop::ALL.iter().find(|reason| reason.text() == &*text);
    found.copied().ok_or_else(|| PyValueError::new_err(format!("unknown reason {}", &*text)))
}
