//! The limit of the plane's bench: its system calls, group sizes and encryption without anything an SFU decides.
//! What a plane costs beyond this loop is its own.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::{self, JoinHandle};

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::{PyResult, Python, pyclass, pymethods};

use crate::api::SrtpProfile;
use crate::egress::{Batch, MAX_BATCH_BYTES, MAX_MESSAGES, Message};
use crate::port::Port;
use crate::socket::{Limits, MAX_DATAGRAMS, Poller, Signal, Socket};
use crate::srtp::Session;
use crate::stun;

const HEADER: usize = 12;
/// Longer than any tag.
const PROTECTION: usize = 16;
const WAIT_US: i64 = 1_000_000;

/// A port on loopback, what is sent there is protected with this key, under this SSRC.
type ReceiverSetting = (u16, Vec<u8>, u32);
/// A publisher's port on loopback, what comes from there is protected with this key; its receivers.
type LessonSetting = (u16, Vec<u8>, Vec<ReceiverSetting>);

/// The least that forwarding costs here: for the bench of the plane, never for lessons.
///
/// A thread of its own reads publishers' packets by `recvmmsg`, decrypts them (`AEAD_AES_128_GCM`), writes `burst`
/// of them with new numbers for each receiver of the lesson, encrypts them with its key and sends them as one message
/// by `sendmmsg` with UDP GSO. Packets of a burst are equally long; peers are on 127.0.0.1. Connectivity checks are
/// answered, whoever sends them (with an empty password), so that peers connect as they do with a plane.
///
///     limit = Limit("::", 0, burst=4)
///     limit.start([(publisher_port, receive_key, [(receiver_port, send_key, ssrc), ...]), ...])
///     limit.forwarded()
///     limit.close()
#[pyclass(module = "sfu.plane._native")]
pub(crate) struct Limit {
    port: u16,
    burst: usize,
    socket: Option<Socket>,
    thread: Option<JoinHandle<()>>,
    shared: Arc<Shared>,
}

struct Shared {
    stop: AtomicBool,
    wake: Signal,
    forwarded: AtomicU64,
}

#[pymethods]
impl Limit {
    /// Bind `host`:`port` (0: any); "::" takes IPv4 and IPv6. Raises `OSError` when it can't be bound.
    #[new]
    fn new(host: &str, port: u16, burst: usize) -> PyResult<Self> {
        if burst == 0 {
            return Err(PyValueError::new_err("a burst has one packet or more"));
        }
        let socket = Socket::bind(host, port)?;
        let shared =
            Shared { stop: AtomicBool::new(false), wake: Signal::new()?, forwarded: AtomicU64::new(0) };
        let port = socket.address()?.port();
        Ok(Self { port, burst, socket: Some(socket), thread: None, shared: Arc::new(shared) })
    }

    /// The UDP port that is bound.
    #[getter]
    fn port(&self) -> u16 {
        self.port
    }

    /// Forward, from now on, for these lessons. Once only; raises `RuntimeError` the second time, `ValueError` for
    /// keys that are not 28 bytes (master key and salt).
    fn start(&mut self, lessons: Vec<LessonSetting>) -> PyResult<()> {
        let lessons = lessons.into_iter().map(Lesson::new).collect::<PyResult<HashMap<_, _>>>()?;
        let socket = self.socket.take().ok_or_else(|| PyRuntimeError::new_err("the limit runs already"))?;
        let (shared, burst) = (self.shared.clone(), self.burst);
        let poller = Poller::new(&socket, &shared.wake, true)?;
        let body = move || {
            let port = Port::new(socket, Limits::default());
            Loop { port, poller, lessons, burst, batch: Batch::default(), shared }.run();
        };
        self.thread = Some(thread::Builder::new().name("limit".into()).spawn(body)?);
        Ok(())
    }

    /// Packets sent to receivers so far.
    fn forwarded(&self) -> u64 {
        self.shared.forwarded.load(Relaxed)
    }

    /// Stop and close the port. Idempotent.
    fn close(&mut self, py: Python<'_>) {
        self.shared.stop.store(true, Relaxed);
        self.shared.wake.raise();
        self.socket = None;
        if let Some(thread) = self.thread.take() {
            // It fails when the thread panicked, which has been printed.
            let _ = py.detach(|| thread.join());
        }
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        self.shared.stop.store(true, Relaxed);
        self.shared.wake.raise();
    }
}

struct Receiver {
    address: SocketAddr,
    session: Session,
    ssrc: u32,
    sequence: u32,
}

/// A publisher and what came of its frame.
struct Lesson {
    session: Session,
    receivers: Vec<Receiver>,
    frame: Vec<u8>,
    ends: Vec<usize>,
}

impl Lesson {
    fn new((port, key, receivers): LessonSetting) -> PyResult<(SocketAddr, Self)> {
        let receivers = receivers.into_iter().map(|(port, key, ssrc)| {
            Ok(Receiver { address: loopback(port), session: session(&key)?, ssrc, sequence: 0 })
        });
        let receivers = receivers.collect::<PyResult<_>>()?;
        let lesson = Self { session: session(&key)?, receivers, frame: Vec::new(), ends: Vec::new() };
        Ok((loopback(port), lesson))
    }
}

fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

fn session(key: &[u8]) -> PyResult<Session> {
    Session::new(SrtpProfile::AeadAes128Gcm, key, key)
        .map_err(|error| PyValueError::new_err(error.to_string()))
}

struct Loop {
    port: Port,
    poller: Poller,
    lessons: HashMap<SocketAddr, Lesson>,
    burst: usize,
    batch: Batch,
    shared: Arc<Shared>,
}

impl Loop {
    fn run(mut self) {
        while !self.shared.stop.load(Relaxed) && self.poller.wait(WAIT_US).is_ok() {
            loop {
                let count = self.port.receive();
                for index in 0..count {
                    self.datagram(index);
                }
                if count < MAX_DATAGRAMS {
                    break;
                }
            }
            hand_over(&mut self.port, &mut self.batch);
        }
    }

    fn datagram(&mut self, index: usize) {
        let Some((data, address)) = self.port.datagram(index) else { return };
        if let Ok(stun::Message::Request(check)) = stun::parse(data) {
            let answer = stun::build_binding_success(&check.transaction_id, address, "");
            self.batch.push(&answer, address, None);
            return;
        }
        let Some(lesson) = self.lessons.get_mut(&address) else { return };
        let Lesson { session, receivers, frame, ends } = lesson;
        let Ok(length) = session.unprotect_rtp(data) else { return };
        frame.extend_from_slice(&data[..length]);
        ends.push(frame.len());
        if ends.len() < self.burst {
            return;
        }
        for receiver in receivers.iter_mut() {
            let room = frame.len() + ends.len() * PROTECTION;
            if self.batch.messages.len() == MAX_MESSAGES || self.batch.buffer.len() + room > MAX_BATCH_BYTES {
                hand_over(&mut self.port, &mut self.batch);
            }
            receiver.write(&mut self.batch, frame, ends);
        }
        self.shared.forwarded.fetch_add((receivers.len() * ends.len()) as u64, Relaxed);
        frame.clear();
        ends.clear();
    }
}

impl Receiver {
    /// A frame as one message; its packets are equally long.
    fn write(&mut self, batch: &mut Batch, frame: &[u8], ends: &[usize]) {
        let buffer = &mut batch.buffer;
        let (start, mut from) = (buffer.len(), 0);
        for &end in ends {
            let (begin, packet) = (buffer.len(), &frame[from..end]);
            buffer.extend_from_slice(&packet[..2]);
            buffer.extend_from_slice(&(self.sequence as u16).to_be_bytes());
            buffer.extend_from_slice(&packet[4..8]);
            buffer.extend_from_slice(&self.ssrc.to_be_bytes());
            buffer.extend_from_slice(&packet[HEADER..]);
            let _ = self.session.protect_rtp(buffer, begin, self.sequence >> 16);
            self.sequence = self.sequence.wrapping_add(1);
            from = end;
        }
        let length = buffer.len() - start;
        let segment = length / ends.len();
        batch.messages.push(Message { address: self.address, transport: None, start, length, segment });
    }
}

fn hand_over(port: &mut Port, batch: &mut Batch) {
    port.send(batch);
    batch.clear();
}
