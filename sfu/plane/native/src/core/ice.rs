//! ICE-lite for one transport (RFC 8445): credentials, validated addresses, nomination, consent.

use std::net::{SocketAddr, SocketAddrV6};
use std::rc::Rc;

use crate::api::{CONSENT_TIMEOUT_US, Drop};
use crate::stun::{self, BindingRequest};

/// How many are kept of one peer.
pub const MAX_ADDRESSES: usize = 8;
const TIE_US: i64 = 1_000_000;
const LIVE_US: i64 = 3_000_000;

/// IPv4 peers of a dual-stack socket as plain IPv4; neither flow nor scope.
pub fn plain_address(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(_) => address,
        SocketAddr::V6(v6) => v6.ip().to_ipv4_mapped().map_or_else(
            || SocketAddr::V6(SocketAddrV6::new(*v6.ip(), v6.port(), 0, 0)),
            |v4| SocketAddr::from((v4, v6.port())),
        ),
    }
}

/// Both sides' user fragments and the password that the peer's checks are made with.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the names of RFC 8445")]
pub struct Credentials {
    pub local_ufrag: String,
    pub local_pwd: String,
    pub remote_ufrag: String,
}

/// An address from which a check with right integrity came.
#[derive(Clone, Copy, Debug)]
pub struct ValidatedAddress {
    /// What the socket gave.
    pub address: SocketAddr,
    /// When the last check came.
    pub checked_us: i64,
    /// When anything authentic came.
    pub heard_us: i64,
    nominated_us: i64,
    priority: u32,
    generation: i64,
}

/// The answering side of checks. Media goes to `selected`; DTLS may go to `best` before.
///
/// Of two nominations within a second the higher PRIORITY holds; later the last one does, but an address that
/// is heard from is not left for one of lower priority. After a restart the first nomination with the new
/// credentials holds whatever its priority.
pub struct IceLite {
    /// Of the last restart.
    pub credentials: Rc<Credentials>,
    /// Valid until the first check with the new ones succeeds (RFC 8445 section 9).
    pub old_credentials: Option<Rc<Credentials>>,
    generation: i64,
    /// In order of entry, at most `MAX_ADDRESSES`.
    pub addresses: Vec<ValidatedAddress>,
    /// The nominated one.
    pub selected: Option<SocketAddr>,
    last_validated: Option<SocketAddr>,
}

impl IceLite {
    /// Before the first check.
    pub fn new(credentials: Credentials) -> Self {
        Self {
            credentials: Rc::new(credentials),
            old_credentials: None,
            generation: 0,
            addresses: Vec::new(),
            selected: None,
            last_validated: None,
        }
    }

    /// The nominated address, else the last validated one.
    pub fn best(&self) -> Option<SocketAddr> {
        self.selected.or(self.last_validated)
    }

    /// New credentials; the old ones go on until the new ones are used.
    pub fn restart(&mut self, credentials: Credentials) {
        let before = std::mem::replace(&mut self.credentials, Rc::new(credentials));
        self.old_credentials.get_or_insert(before);
        self.generation += 1;
    }

    /// The credentials that the request was made with, or why it is dropped without an answer.
    ///
    /// Neither error is answered: an answer to an address nobody vouches for is an amplifier.
    pub fn authenticate(&self, request: &BindingRequest) -> Result<Rc<Credentials>, Drop> {
        let mut dropped = Drop::StunUnknownUser;
        for credentials in std::iter::once(&self.credentials).chain(&self.old_credentials) {
            if credentials.local_ufrag != request.local_ufrag
                || credentials.remote_ufrag != request.remote_ufrag
            {
                continue;
            }
            dropped = Drop::StunIntegrity;
            if stun::check_integrity(request, &credentials.local_pwd) {
                return Ok(Rc::clone(credentials));
            }
        }
        Err(dropped)
    }

    /// A check with right integrity came; returns an address that fell out to make room.
    pub fn check(
        &mut self,
        request: &BindingRequest,
        credentials: &Rc<Credentials>,
        address: SocketAddr,
        now_us: i64,
    ) -> Option<SocketAddr> {
        let present = Rc::ptr_eq(credentials, &self.credentials);
        if present {
            self.old_credentials = None;
        }
        let mut evicted = None;
        if self.known(address).is_none() {
            evicted = self.make_room();
            self.addresses.push(ValidatedAddress {
                address,
                checked_us: now_us,
                heard_us: now_us,
                nominated_us: 0,
                priority: 0,
                generation: self.generation,
            });
        }
        if let Some(entry) = self.known(address) {
            entry.checked_us = now_us;
            entry.heard_us = now_us;
        }
        self.last_validated = Some(address);
        if request.use_candidate {
            let generation = if present { self.generation } else { self.generation - 1 };
            self.nominate(address, request.priority.unwrap_or_default(), generation, now_us);
        }
        evicted
    }

    /// Something authentic came from a validated address.
    pub fn heard(&mut self, address: SocketAddr, now_us: i64) {
        if let Some(entry) = self.known(address) {
            entry.heard_us = now_us;
        }
    }

    fn known(&mut self, address: SocketAddr) -> Option<&mut ValidatedAddress> {
        self.addresses.iter_mut().find(|known| known.address == address)
    }

    fn make_room(&mut self) -> Option<SocketAddr> {
        if self.addresses.len() < MAX_ADDRESSES {
            return None;
        }
        let others =
            self.addresses.iter().enumerate().filter(|(_, known)| Some(known.address) != self.selected);
        let (index, _) = others.min_by_key(|(_, known)| known.heard_us)?;
        Some(self.addresses.remove(index).address)
    }

    fn nominate(&mut self, address: SocketAddr, priority: u32, generation: i64, now_us: i64) {
        let selected = self.selected;
        let current = self.addresses.iter().find(|known| Some(known.address) == selected);
        let wins = match current {
            None => true,
            Some(current) if current.address == address || generation > current.generation => true,
            Some(current) if generation < current.generation => false,
            Some(current) if now_us - current.nominated_us < TIE_US => priority > current.priority,
            Some(current) => priority >= current.priority || now_us - current.heard_us > LIVE_US,
        };
        if !wins {
            return;
        }
        if let Some(entry) = self.known(address) {
            entry.priority = priority;
            entry.generation = generation;
            // A refresh of the same address is no new nomination: the tie window is not prolonged.
            if selected != Some(address) {
                entry.nominated_us = now_us;
            }
        }
        self.selected = Some(address);
    }

    /// The address now belongs to another peer.
    pub fn forget(&mut self, address: SocketAddr) {
        self.addresses.retain(|known| known.address != address);
        self.selected = self.selected.filter(|selected| *selected != address);
        self.last_validated = self.last_validated.filter(|last| *last != address);
    }

    /// Whether the selected address was checked within 30 s (RFC 7675).
    pub fn has_consent(&self, now_us: i64) -> bool {
        let selected = self.addresses.iter().find(|known| Some(known.address) == self.selected);
        selected.is_some_and(|known| now_us - known.checked_us <= CONSENT_TIMEOUT_US)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ice() -> IceLite {
        IceLite::new(credentials("one"))
    }

    fn credentials(ufrag: &str) -> Credentials {
        Credentials { local_ufrag: ufrag.into(), local_pwd: "secret".into(), remote_ufrag: "far".into() }
    }

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 1], port))
    }

    fn request(priority: Option<u32>) -> BindingRequest<'static> {
        BindingRequest {
            transaction_id: [0; 12],
            local_ufrag: "one",
            remote_ufrag: "far",
            priority,
            use_candidate: priority.is_some(),
            controlling: None,
            controlled: None,
            unknown_attributes: Vec::new(),
            integrity: None,
            covered: &[],
        }
    }

    fn nominate(ice: &mut IceLite, port: u16, priority: u32, now_us: i64) -> Option<u16> {
        let credentials = Rc::clone(&ice.credentials);
        ice.check(&request(Some(priority)), &credentials, address(port), now_us);
        ice.selected.map(|selected| selected.port())
    }

    #[test]
    fn of_two_nominations_within_a_second_the_higher_priority_holds() {
        let mut ice = ice();
        assert_eq!(nominate(&mut ice, 1, 50, 0), Some(1));
        assert_eq!(nominate(&mut ice, 2, 40, 900_000), Some(1));
        assert_eq!(nominate(&mut ice, 1, 50, 950_000), Some(1), "no new nomination");
        assert_eq!(nominate(&mut ice, 2, 50, 1_000_000), Some(2), "later the last one does");
        assert_eq!(nominate(&mut ice, 1, 40, 3_000_000), Some(2), "the present one is heard from");
        assert_eq!(nominate(&mut ice, 1, 40, 4_000_001), Some(1));
    }

    #[test]
    fn after_a_restart_the_first_nomination_with_the_new_credentials_holds() {
        let mut ice = ice();
        nominate(&mut ice, 1, 50, 0);
        let old = Rc::clone(&ice.credentials);
        ice.restart(credentials("two"));
        assert_eq!(nominate(&mut ice, 3, 1, 20), Some(3));
        ice.check(&request(Some(90)), &old, address(2), 30);
        assert_eq!(ice.selected, Some(address(3)), "of the generation before");
        assert!(ice.old_credentials.is_none());
    }

    #[test]
    fn of_two_restarts_in_a_row_the_credentials_that_were_used_stay_valid() {
        let mut ice = ice();
        let used = Rc::clone(&ice.credentials);
        ice.restart(credentials("two"));
        ice.restart(credentials("three"));
        assert!(ice.old_credentials.as_ref().is_some_and(|known| Rc::ptr_eq(known, &used)));
        assert_eq!(ice.credentials.local_ufrag, "three");
    }

    #[test]
    fn the_address_that_was_silent_longest_makes_room_but_never_the_nominated_one() {
        let mut ice = ice();
        nominate(&mut ice, 0, 1, 0);
        let credentials = Rc::clone(&ice.credentials);
        for port in 1..8 {
            assert_eq!(ice.check(&request(None), &credentials, address(port), i64::from(port)), None);
        }
        ice.heard(address(1), 100);
        assert_eq!(ice.check(&request(None), &credentials, address(8), 200), Some(address(2)));
        assert_eq!(ice.addresses.len(), MAX_ADDRESSES);
        assert_eq!(ice.best(), Some(address(0)));
    }

    #[test]
    fn consent_lasts_thirty_seconds_and_a_forgotten_address_has_none() {
        let mut ice = ice();
        assert!(!ice.has_consent(0));
        nominate(&mut ice, 1, 1, 0);
        assert!(ice.has_consent(30_000_000));
        assert!(!ice.has_consent(30_000_001));
        ice.forget(address(1));
        assert!(!ice.has_consent(0));
        assert_eq!((ice.selected, ice.best()), (None, None));
    }

    #[test]
    fn a_mapped_address_is_told_as_plain_ipv4() {
        let mapped: SocketAddr = "[::ffff:192.0.2.1]:7".parse().unwrap();
        assert_eq!(plain_address(mapped), "192.0.2.1:7".parse().unwrap());
        let scoped = SocketAddr::V6(SocketAddrV6::new("fe80::1".parse().unwrap(), 7, 1, 2));
        assert_eq!(plain_address(scoped), "[fe80::1]:7".parse().unwrap());
    }
}
