//! The boundary to Python: the module `sfu.plane._native`, described in `_native.pyi` beside the crate.

mod commands;
mod core;
mod events;
mod parsers;
mod plane;
mod session;

use pyo3::prelude::*;

/// Grows with every change that `sfu/plane/threaded.py` has to know of.
const ABI: u32 = 2;

#[pymodule]
mod _native {
    #[pymodule_export]
    use super::core::Core;
    #[pymodule_export]
    use super::parsers::{parse_rtcp, parse_stun, parse_vp8};
    #[pymodule_export]
    use super::plane::Plane;
    #[pymodule_export]
    use super::session::Srtp;
    #[pymodule_export]
    use crate::limit::Limit;

    #[pymodule_export]
    const ABI: u32 = super::ABI;
}
