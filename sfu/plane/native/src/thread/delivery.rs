//! From the core's events to the queue that others drain: never waits, and says what it loses.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use super::shared::{MAX_WAITING_EVENTS, Shared};
use crate::api::{Event, TapNumber};

/// What is told again soon, or can be done without, leaves this room to the rest.
const MAX_WAITING_REPORTS: usize = MAX_WAITING_EVENTS / 4 * 3;
/// Packets of taps that may wait to be drained.
const MAX_WAITING_PACKETS: usize = 32_768;

/// Hands events over.
#[derive(Default)]
pub(super) struct Delivery {
    /// Packets that a tap lost and has not been told of yet.
    untold: HashMap<TapNumber, u64>,
}

impl Delivery {
    /// Hand over in order, leaving `events` empty.
    pub(super) fn deliver(&mut self, events: &mut Vec<Event>, shared: &Shared) {
        if events.is_empty() {
            return;
        }
        for event in events.drain(..) {
            let event = match event {
                Event::Levels { .. } | Event::SourceState { .. } | Event::TransportState(_) => {
                    if shared.events.len() >= MAX_WAITING_REPORTS {
                        shared.lose_event();
                        continue;
                    }
                    event
                }
                Event::Tapped { tap, packets, dropped, last } => {
                    match self.tapped(tap, packets, dropped, last, shared) {
                        Some(event) => event,
                        None => continue,
                    }
                }
                _ => event,
            };
            if let Err(event) = shared.events.push(event) {
                if let Event::Tapped { packets, .. } = event {
                    shared.tapped_packets.fetch_sub(packets.len(), Ordering::Relaxed);
                }
                shared.lose_event();
            }
        }
        shared.events_waiting.raise();
    }

    /// A tap's packets as far as there is room for them; its end is told in any case.
    fn tapped(
        &mut self,
        tap: TapNumber,
        mut packets: Vec<(i64, Vec<u8>)>,
        mut dropped: u64,
        last: bool,
        shared: &Shared,
    ) -> Option<Event> {
        let waiting = shared.tapped_packets.load(Ordering::Relaxed);
        let fits =
            waiting + packets.len() <= MAX_WAITING_PACKETS && shared.events.len() < MAX_WAITING_REPORTS;
        if !fits {
            dropped += packets.len() as u64;
            packets.clear();
            shared.lose_event();
        }
        if !fits && !last {
            *self.untold.entry(tap).or_default() += dropped;
            return None;
        }
        shared.tapped_packets.fetch_add(packets.len(), Ordering::Relaxed);
        dropped += self.untold.remove(&tap).unwrap_or(0);
        Some(Event::Tapped { tap, packets, dropped, last })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tapped(count: usize, last: bool) -> Event {
        Event::Tapped { tap: 1, packets: vec![(0, Vec::new()); count], dropped: 0, last }
    }

    fn nominated() -> Event {
        Event::ConsentLost { transport: 1 }
    }

    #[test]
    fn a_full_queue_loses_reports_before_anything_else() {
        let shared = Shared::new().unwrap();
        let mut delivery = Delivery::default();
        let mut events: Vec<Event> =
            (0..MAX_WAITING_EVENTS).map(|_| Event::Levels { levels: Vec::new() }).collect();
        events.push(nominated());
        delivery.deliver(&mut events, &shared);
        assert_eq!(shared.events_lost(), (MAX_WAITING_EVENTS - MAX_WAITING_REPORTS) as u64);
        let drained = shared.drain_events();
        assert_eq!(drained.len(), MAX_WAITING_REPORTS + 1);
        assert!(matches!(drained.last(), Some(Event::ConsentLost { .. })));
    }

    #[test]
    fn what_a_tap_lost_is_told_with_its_next_packets() {
        let shared = Shared::new().unwrap();
        let mut delivery = Delivery::default();
        delivery.deliver(&mut vec![tapped(MAX_WAITING_PACKETS, false), tapped(5, false)], &shared);
        assert_eq!(shared.drain_events().len(), 1);
        delivery.deliver(&mut vec![tapped(1, false)], &shared);
        let drained = shared.drain_events();
        assert!(matches!(&drained[..], [Event::Tapped { dropped: 5, packets, .. }] if packets.len() == 1));
    }

    #[test]
    fn a_taps_end_is_told_even_when_there_is_no_room_for_its_packets() {
        let shared = Shared::new().unwrap();
        let mut delivery = Delivery::default();
        delivery.deliver(&mut vec![tapped(MAX_WAITING_PACKETS, false), tapped(5, true)], &shared);
        let drained = shared.drain_events();
        assert!(
            matches!(&drained[1], Event::Tapped { dropped: 5, last: true, packets, .. } if packets.is_empty())
        );
    }

    #[test]
    fn a_failure_is_told_once_and_last() {
        let shared = Shared::new().unwrap();
        Delivery::default().deliver(&mut vec![nominated()], &shared);
        shared.ended(Some("why".to_owned()));
        let drained = shared.drain_events();
        assert!(matches!(&drained[1], Event::Failed { reason } if reason == "why"));
        assert!(shared.drain_events().is_empty());
    }
}
