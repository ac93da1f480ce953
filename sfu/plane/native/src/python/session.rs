//! One peer's SRTP session, for tests beside libsrtp and the vectors of the RFCs.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use pyo3::{Bound, PyAny, PyResult, Python};

use super::commands;
use crate::srtp::{Refused, Session};

/// Both directions of one peer; keys are master key followed by master salt. Raises `ValueError` for keys of a
/// wrong length and for packets that are refused.
#[pyclass(unsendable, module = "sfu.plane._native")]
pub(super) struct Srtp(Session);

#[pymethods]
impl Srtp {
    #[new]
    #[pyo3(signature = (profile, receive_key, send_key))]
    fn new(profile: &Bound<'_, PyAny>, receive_key: &[u8], send_key: &[u8]) -> PyResult<Self> {
        let profile = commands::profile(profile)?;
        let session = Session::new(profile, receive_key, send_key);
        session.map(Self).map_err(|error| PyValueError::new_err(error.to_string()))
    }

    /// One packet as it came, without protection.
    fn unprotect<'py>(&mut self, py: Python<'py>, packet: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        let mut packet = packet.to_vec();
        let length = self.0.unprotect_rtp(&mut packet).map_err(refused)?;
        Ok(PyBytes::new(py, &packet[..length]))
    }

    /// One RTCP datagram as it came, without protection.
    fn unprotect_rtcp<'py>(&mut self, py: Python<'py>, packet: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        let mut packet = packet.to_vec();
        let length = self.0.unprotect_rtcp(&mut packet).map_err(refused)?;
        Ok(PyBytes::new(py, &packet[..length]))
    }

    /// One packet as it leaves; `rollover` is how often its sequence number has begun anew.
    #[pyo3(signature = (packet, rollover = 0))]
    fn protect<'py>(
        &mut self,
        py: Python<'py>,
        packet: &[u8],
        rollover: u32,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let mut buffer = packet.to_vec();
        self.0.protect_rtp(&mut buffer, 0, rollover).map_err(refused)?;
        Ok(PyBytes::new(py, &buffer))
    }

    /// One RTCP datagram as it leaves.
    fn protect_rtcp<'py>(&mut self, py: Python<'py>, packet: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        let mut buffer = packet.to_vec();
        self.0.protect_rtcp(&mut buffer, 0).map_err(refused)?;
        Ok(PyBytes::new(py, &buffer))
    }
}

fn refused(reason: Refused) -> PyErr {
    PyValueError::new_err(reason.text())
}
