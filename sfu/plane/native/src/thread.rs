//! The plane's thread: waits, takes commands and datagrams, ticks, flushes, hands out events. It never waits for
//! anybody: what others read is in atomics and in bounded queues.

mod delivery;
mod shared;

use std::any::Any;
use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::api::{Command, Counters, Event, TransportHandle, TransportState};
use crate::core::Core;
use crate::port::Port;
use crate::socket::{Limits, Poller, Socket, monotonic_us};

use delivery::Delivery;
use shared::{Shared, Work};

pub use shared::TransportTotals;

/// How often the core is told the time.
pub const TICK_US: i64 = 10_000;
/// So much earlier when the thread is awake anyway, and so much later when only the tick would wake it.
const TICK_SLACK_US: i64 = 2_000;
/// How often transports' states are published.
pub const STATE_INTERVAL_US: i64 = 100_000;
/// Calls of [`PlaneThread::apply`] that may wait for the thread.
pub const MAX_WAITING_WORK: usize = 1024;
/// How long [`PlaneThread::apply`] waits for room.
const APPLY_TIMEOUT: Duration = Duration::from_secs(2);
/// How long commands are carried out before packets have their turn again.
const COMMANDS_US: i64 = 1_000;
/// How often datagrams are read before the rest has its turn.
const ROUNDS: usize = 4;

/// How a thread runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Added to `CLOCK_MONOTONIC` is Unix time, us.
    pub wall_offset_us: i64,
    /// Nothing is protected (tests).
    pub plain: bool,
    /// Which of the kernel's means are used.
    pub limits: Limits,
}

/// Why commands were not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NotTaken {
    /// The thread is not running any more.
    Stopped,
    /// Too many wait, and the thread does not come to them.
    Full,
}

impl fmt::Display for NotTaken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Stopped => "the plane's thread is not running",
            Self::Full => "the plane's thread does not come to its commands",
        })
    }
}

impl Error for NotTaken {}

/// A running plane. Its methods may be called from any thread and never wait for a packet; dropping it stops it.
pub struct PlaneThread {
    shared: Arc<Shared>,
    states: Mutex<HashMap<TransportHandle, Arc<TransportTotals>>>,
    join: Mutex<Option<JoinHandle<()>>>,
    segmented: bool,
}

impl PlaneThread {
    /// Run a plane on a bound socket.
    pub fn start(socket: Socket, options: Options) -> io::Result<Self> {
        let shared = Arc::new(Shared::new()?);
        let poller = Poller::new(&socket, &shared.commands_waiting, options.limits.precise_wait)?;
        let segmented = Port::can_segment(&socket, options.limits);
        let theirs = Arc::clone(&shared);
        let join = thread::Builder::new().name("plane".to_owned()).spawn(move || {
            let shared = Arc::clone(&theirs);
            let result = catch_unwind(AssertUnwindSafe(|| Loop::new(theirs, socket, poller, options).run()));
            let failure = match result {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error.to_string()),
                Err(panic) => Some(panic_text(&*panic)),
            };
            shared.ended(failure);
        })?;
        Ok(Self { shared, states: Mutex::default(), join: Mutex::new(Some(join)), segmented })
    }

    /// Have commands carried out in order; waits a little while too many wait already.
    pub fn apply(&self, commands: Vec<Command>) -> Result<(), NotTaken> {
        let mut work = Work { commands, totals: Vec::new() };
        self.note_transports(&mut work);
        let deadline = Instant::now() + APPLY_TIMEOUT;
        loop {
            if !self.shared.is_running() {
                return Err(NotTaken::Stopped);
            }
            match self.shared.commands.push(work) {
                Ok(()) => {
                    self.shared.commands_waiting.raise();
                    return Ok(());
                }
                Err(back) if Instant::now() < deadline => work = back,
                Err(_) => return Err(NotTaken::Full),
            }
            thread::sleep(Duration::from_micros(200));
        }
    }

    /// Transports' states are there from the call that adds them to the one that removes them.
    fn note_transports(&self, work: &mut Work) {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        for command in &work.commands {
            match command {
                Command::AddTransport(add) => {
                    states.entry(add.transport).or_insert_with(|| {
                        let totals = Arc::new(TransportTotals::new(add.transport));
                        work.totals.push(Arc::clone(&totals));
                        totals
                    });
                }
                Command::RemoveTransport { transport } => {
                    states.remove(transport);
                }
                _ => {}
            }
        }
    }

    /// Readable when there are events.
    pub fn event_fd(&self) -> i32 {
        self.shared.events_waiting.fd()
    }

    /// The events since the last call, in order. After the thread ended by an error of ours, `Failed` is the last.
    pub fn drain_events(&self) -> Vec<Event> {
        self.shared.drain_events()
    }

    /// The totals of a few milliseconds ago at most.
    pub fn counters(&self) -> Counters {
        self.shared.counters.load()
    }

    /// Events that were not delivered because nobody drained them.
    pub fn events_lost(&self) -> u64 {
        self.shared.events_lost()
    }

    /// One transport's state of 100 ms ago at most, None when it is unknown.
    pub fn transport_state(&self, transport: TransportHandle) -> Option<TransportState> {
        let states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        states.get(&transport).map(|totals| totals.load())
    }

    /// Whether frames leave as one send where the route takes it.
    pub fn is_segmented(&self) -> bool {
        self.segmented
    }

    /// Stop sending, close the port; returns when the thread has ended. Idempotent.
    pub fn stop(&self) {
        self.shared.stop();
        let join = self.join.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(join) = join {
            // It catches its own panics and tells them by an event.
            let _ = join.join();
        }
    }
}

impl std::ops::Drop for PlaneThread {
    fn drop(&mut self) {
        self.stop();
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("panic").to_owned()
}

/// What the thread owns.
struct Loop {
    shared: Arc<Shared>,
    port: Port,
    poller: Poller,
    core: Core,
    events: Vec<Event>,
    delivery: Delivery,
    totals: Vec<Arc<TransportTotals>>,
}

impl Loop {
    fn new(shared: Arc<Shared>, socket: Socket, poller: Poller, options: Options) -> Self {
        let port = Port::new(socket, options.limits);
        let mut core = Core::new(options.plain, options.wall_offset_us);
        let egress = core.egress();
        egress.paced = true;
        egress.segmented = port.is_segmented();
        Self {
            shared,
            port,
            poller,
            core,
            events: Vec::new(),
            delivery: Delivery::default(),
            totals: Vec::new(),
        }
    }

    fn run(&mut self) -> io::Result<()> {
        let mut tick_us = monotonic_us() + TICK_US;
        let mut states_us = tick_us;
        let mut more = false;
        while self.shared.is_running() {
            let latest_us = tick_us + TICK_SLACK_US;
            let due_us = self.core.egress().deadline_us().map_or(latest_us, |due_us| due_us.min(latest_us));
            let ready = self.poller.wait(if more { 0 } else { due_us - monotonic_us() })?;
            more = false;
            if ready.signal {
                more |= self.carry_out();
            }
            if ready.datagrams {
                more |= self.receive();
            }
            let now_us = monotonic_us();
            if now_us >= tick_us - TICK_SLACK_US {
                self.core.tick(now_us);
                // Ticks keep their pace, but missed ones are not made up for.
                tick_us = now_us.max(tick_us + TICK_US);
            }
            let port = &mut self.port;
            self.core.flush(now_us, &mut |batch| port.send(batch));
            self.core.egress().segmented = self.port.is_segmented();
            if now_us >= states_us {
                states_us = now_us + STATE_INTERVAL_US;
                self.publish_states();
            }
            self.core.drain_events(&mut self.events);
            self.delivery.deliver(&mut self.events, &self.shared);
            self.shared.counters.store(self.core.counters());
        }
        // What was commanded before the end is still done: goodbyes go out.
        while self.carry_out() {}
        let port = &mut self.port;
        self.core.flush(monotonic_us(), &mut |batch| port.send(batch));
        self.shared.counters.store(self.core.counters());
        Ok(())
    }

    /// Carry out what waits; whether something is left.
    fn carry_out(&mut self) -> bool {
        self.shared.commands_waiting.clear();
        let mut now_us = monotonic_us();
        let until_us = now_us + COMMANDS_US;
        while let Some(Work { commands, totals }) = self.shared.commands.pop() {
            self.totals.extend(totals);
            for command in commands {
                self.core.apply(command, now_us);
            }
            self.core.after_commands(now_us);
            now_us = monotonic_us();
            if now_us >= until_us && !self.shared.commands.is_empty() {
                self.shared.commands_waiting.raise();
                return true;
            }
        }
        false
    }

    /// Read what is there; whether something may be left.
    fn receive(&mut self) -> bool {
        for _ in 0..ROUNDS {
            let count = self.port.receive();
            let now_us = monotonic_us();
            for index in 0..count {
                if let Some((data, address)) = self.port.datagram(index) {
                    self.core.receive(data, address, now_us);
                }
            }
            if !self.port.may_have_more() {
                return false;
            }
        }
        true
    }

    fn publish_states(&mut self) {
        let core = &self.core;
        self.totals.retain(|totals| match core.transport_state(totals.handle()) {
            Some(state) => {
                totals.store(&state);
                true
            }
            None => false,
        });
    }
}

#[cfg(test)]
mod tests;
