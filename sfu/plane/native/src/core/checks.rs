//! Connectivity checks: the only way by which an address becomes one of a peer.

use std::net::SocketAddr;
use std::rc::Rc;

use crate::api::{Drop, Event};
use crate::core::ice::plain_address;
use crate::core::outbox::Outbox;
use crate::core::switching;
use crate::core::tables::{Tables, TransportKey};
use crate::stun::{self, BindingRequest, Message};

/// Answer one STUN datagram as an ICE-lite agent does (RFC 8445 section 7.3), or say why not.
pub fn receive(
    tables: &mut Tables,
    outbox: &mut Outbox,
    data: &[u8],
    address: SocketAddr,
    now_us: i64,
) -> Result<(), Drop> {
    let request = match stun::parse(data).map_err(|_| Drop::StunMalformed)? {
        Message::Request(request) => request,
        // We send no requests, so no answer is ours; an indication asks for nothing.
        Message::Indication(_) => return Ok(()),
        Message::Success(_) | Message::Error(_) => return Err(Drop::StunUnknownUser),
    };
    let key = *tables.ufrags.get(request.local_ufrag).ok_or(Drop::StunUnknownUser)?;
    let transport = tables.transports.get_mut(key).ok_or(Drop::StunUnknownUser)?;
    let ice = &mut transport.ice;
    let credentials = ice.authenticate(&request)?;
    let password = &credentials.local_pwd;
    if !request.unknown_attributes.is_empty() {
        let code = stun::ERROR_UNKNOWN_ATTRIBUTE;
        refuse(outbox, &request, address, key, (code, "Unknown Attribute"), password);
        return Err(Drop::StunMalformed);
    }
    if request.controlled.is_some() {
        // A lite agent is never controlling (RFC 8445 section 7.3.1.1).
        refuse(outbox, &request, address, key, (stun::ERROR_ROLE_CONFLICT, "Role Conflict"), password);
        return Ok(());
    }

    let former = ice.old_credentials.clone().filter(|_| Rc::ptr_eq(&credentials, &ice.credentials));
    let before = ice.selected;
    let evicted = ice.check(&request, &credentials, address, now_us);
    if let Some(former) = former
        && former.local_ufrag != credentials.local_ufrag
    {
        tables.ufrags.remove(&former.local_ufrag);
    }
    if let Some(evicted) = evicted {
        tables.addresses.remove(&evicted);
    }
    if let Some(other) = tables.addresses.insert(address, key)
        && other != key
    {
        give_up(tables, outbox, other, address);
    }

    let transport = tables.transports.get_mut(key).ok_or(Drop::StunUnknownUser)?;
    let was_ready = transport.ready();
    let selected = transport.ice.selected;
    if selected.is_some() && (selected == Some(address) || !transport.consent_lost) {
        transport.address = selected;
        transport.consent_lost = false;
    }
    let handle = transport.handle;
    if transport.ready() && !was_ready {
        switching::receiver_ready(tables, key);
    }
    let answer = stun::build_binding_success(&request.transaction_id, plain_address(address), password);
    outbox.egress.raw(&answer, address, Some(key));
    if let Some(selected) = selected.filter(|_| selected != before) {
        let address = plain_address(selected);
        outbox.ready.push(Event::AddressNominated { transport: handle, address });
    }
    Ok(())
}

/// The address proved to be another peer's now (a NAT gave it anew).
fn give_up(tables: &mut Tables, outbox: &mut Outbox, former: TransportKey, address: SocketAddr) {
    let Some(transport) = tables.transports.get_mut(former) else { return };
    transport.ice.forget(address);
    if transport.address == Some(address) {
        transport.address = None;
        switching::hold_slots(tables, outbox, former);
    }
}

fn refuse(
    outbox: &mut Outbox,
    request: &BindingRequest<'_>,
    address: SocketAddr,
    transport: TransportKey,
    (code, reason): (u16, &str),
    password: &str,
) {
    let answer = stun::build_error(&request.transaction_id, code, reason, Some(password));
    outbox.egress.raw(&answer, address, Some(transport));
}
