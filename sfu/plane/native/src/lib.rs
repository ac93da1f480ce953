//! The native plane: the contract of `sfu/plane/api.py` on its own thread.
//!
//! [`core`] does no I/O and has no clock, as the reference plane's; [`egress`] paces and groups what leaves;
//! [`socket`] is the only module with unsafe code; [`thread`] runs them; [`python`] is the boundary.

pub mod api;
pub mod core;
pub mod egress;
pub mod numbers;
pub mod parse;
pub mod port;
pub mod red;
pub mod rtcp;
pub mod rtp;
pub mod socket;
pub mod srtp;
pub mod stun;
pub mod thread;
pub mod vp8;

#[cfg(feature = "python")]
mod limit;
#[cfg(feature = "python")]
mod python;
