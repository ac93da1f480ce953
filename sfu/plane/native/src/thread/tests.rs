//! On real sockets.
