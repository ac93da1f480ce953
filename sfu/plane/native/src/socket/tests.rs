//! Over loopback.

use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::thread;

use super::*;

const LONG_US: i64 = 5_000_000;

#[test]
fn names_hold_addresses_of_both_families() {
    let v4: SocketAddr = "192.0.2.7:65535".parse().unwrap();
    let v6: SocketAddr = "[2001:db8::1]:1".parse().unwrap();
    assert_eq!(Name::new(v4, false).unwrap().address(), Some(v4));
    assert_eq!(Name::new(v4, true).unwrap().address(), Some(v4), "mapped, and told as plain IPv4");
    assert_eq!(Name::new(v6, true).unwrap().address(), Some(v6));
    assert!(Name::new(v6, false).is_none());
    assert_eq!(Name::EMPTY.address(), None);
}

#[test]
fn the_scope_of_a_link_local_address_is_kept() {
    let address = SocketAddr::V6(SocketAddrV6::new("fe80::1".parse().unwrap(), 5, 0, 3));
    assert_eq!(Name::new(address, true).unwrap().address(), Some(address));
}

#[test]
fn a_dual_stack_socket_reads_both_families() {
    let socket = Socket::bind("::", 0).unwrap();
    let port = socket.address().unwrap().port();
    let mut receiver = Receiver::default();
    for local in ["127.0.0.1:0", "[::1]:0"] {
        let Ok(peer) = UdpSocket::bind(local) else { continue };
        let to = SocketAddr::new(peer.local_addr().unwrap().ip(), port);
        for text in [b"one", b"two"] {
            peer.send_to(text, to).unwrap();
        }
        assert_eq!(receiver.receive(&socket).unwrap(), 2);
        for (index, text) in [b"one", b"two"].into_iter().enumerate() {
            let (data, from) = receiver.datagram(index).unwrap();
            assert_eq!((&*data, from), (&text[..], peer.local_addr().unwrap()));
        }
        peer.send_to(b"three", to).unwrap();
        assert_eq!(receiver.receive_singly(&socket).unwrap(), 1);
        let (data, from) = receiver.datagram(0).unwrap();
        assert_eq!((&*data, from), (&b"three"[..], peer.local_addr().unwrap()));
        let error = receiver.receive(&socket).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
    }
}

#[test]
fn of_a_datagram_that_is_too_long_the_beginning_is_read() {
    let socket = Socket::bind("127.0.0.1", 0).unwrap();
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut receiver = Receiver::default();
    peer.send_to(&[7; 3000], socket.address().unwrap()).unwrap();
    peer.send_to(&[], socket.address().unwrap()).unwrap();
    assert_eq!(receiver.receive(&socket).unwrap(), 2);
    assert_eq!(receiver.datagram(0).unwrap().0, [7; DATAGRAM_BYTES]);
    assert!(receiver.datagram(1).unwrap().0.is_empty());
    assert!(receiver.datagram(MAX_DATAGRAMS).is_none());
}

#[test]
fn the_port_is_bound_once() {
    let socket = Socket::bind("127.0.0.1", 0).unwrap();
    let error = Socket::bind("127.0.0.1", socket.address().unwrap().port()).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert!(Socket::bind("not an address", 0).is_err());
}

#[test]
fn a_signal_stays_raised_until_it_is_cleared() {
    let socket = Socket::bind("127.0.0.1", 0).unwrap();
    let signal = Signal::new().unwrap();
    for precise in [true, false] {
        let mut poller = Poller::new(&socket, &signal, precise).unwrap();
        assert_eq!(poller.wait(0).unwrap(), Ready::default());
        signal.raise();
        signal.raise();
        let raised = Ready { signal: true, datagrams: false };
        assert_eq!(poller.wait(LONG_US).unwrap(), raised);
        assert_eq!(poller.wait(LONG_US).unwrap(), raised);
        signal.clear();
        signal.clear();
        assert_eq!(poller.wait(-5).unwrap(), Ready::default());
    }
}

#[test]
fn a_wait_ends_with_a_datagram_or_the_signal_of_another_thread() {
    let socket = Socket::bind("127.0.0.1", 0).unwrap();
    let signal = Signal::new().unwrap();
    let mut poller = Poller::new(&socket, &signal, true).unwrap();
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    peer.send_to(b"one", socket.address().unwrap()).unwrap();
    assert!(poller.wait(LONG_US).unwrap().datagrams);
    assert_eq!(Receiver::default().receive(&socket).unwrap(), 1);
    thread::scope(|scope| {
        scope.spawn(|| signal.raise());
        assert!(poller.wait(LONG_US).unwrap().signal);
    });
}

#[test]
fn waits_take_their_time_to_the_microsecond_or_the_next_millisecond() {
    let socket = Socket::bind("127.0.0.1", 0).unwrap();
    let signal = Signal::new().unwrap();
    for (precise, timeout_us) in [(true, 300), (false, 1_000)] {
        let mut poller = Poller::new(&socket, &signal, precise).unwrap();
        let begun_us = monotonic_us();
        assert_eq!(poller.wait(300).unwrap(), Ready::default());
        assert!(monotonic_us() - begun_us >= timeout_us);
    }
}

#[test]
fn the_buffers_are_as_large_as_the_machine_allows() {
    let socket = Socket::bind("127.0.0.1", 0).unwrap();
    for option in [libc::SO_SNDBUF, libc::SO_RCVBUF] {
        let mut value: c_int = 0;
        let mut length = mem::size_of::<c_int>() as socklen_t;
        // SAFETY: the value has room for a c_int, as `length` tells.
        let result = unsafe {
            libc::getsockopt(
                socket.udp.as_raw_fd(),
                libc::SOL_SOCKET,
                option,
                (&raw mut value).cast(),
                &raw mut length,
            )
        };
        check(result).unwrap();
        assert!(value > 200_000, "{value}");
    }
}
