//! On real sockets.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use super::*;
use crate::api::{AddTransport, Drop};

fn start() -> (PlaneThread, SocketAddr) {
    let socket = Socket::bind("127.0.0.1", 0).unwrap();
    let address = socket.address().unwrap();
    (PlaneThread::start(socket, Options { plain: true, ..Options::default() }).unwrap(), address)
}

fn add_transport(transport: TransportHandle) -> Command {
    Command::AddTransport(AddTransport {
        transport,
        local_ufrag: format!("u{transport}"),
        local_pwd: "p".to_owned(),
        remote_ufrag: "r".to_owned(),
        remote_pwd: "q".to_owned(),
        max_ingress_bps: 1_000_000,
        pad_frames: false,
    })
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "{what}");
        thread::sleep(Duration::from_millis(1));
    }
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

fn threads_named(name: &str) -> usize {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    tasks
        .flatten()
        .filter(|task| fs::read_to_string(task.path().join("comm")).is_ok_and(|comm| comm.trim() == name))
        .count()
}

#[test]
fn datagrams_are_counted_and_commands_carried_out() {
    let (plane, address) = start();
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    peer.send_to(&[0x80; 20], address).unwrap();
    plane.apply(vec![Command::RequestKeyframe { source: 9 }]).unwrap();
    wait_until("both are counted", || {
        let counters = plane.counters();
        let dropped = |reason: Drop| counters.dropped[reason as usize];
        (counters.datagrams_in, counters.bytes_in) == (1, 20)
            && (dropped(Drop::NotValidated), dropped(Drop::UnknownHandle)) == (1, 1)
    });
    assert!(plane.drain_events().is_empty());
}

#[test]
fn a_transports_state_is_there_from_its_command_on_until_it_goes() {
    let (plane, _) = start();
    assert_eq!(plane.transport_state(1), None);
    plane.apply(vec![add_transport(1), add_transport(2)]).unwrap();
    assert_eq!(plane.transport_state(1).unwrap().packets_received, 0);
    plane.apply(vec![Command::RemoveTransport { transport: 1 }]).unwrap();
    assert_eq!(plane.transport_state(1), None);
    assert!(plane.transport_state(2).is_some());
}

#[test]
fn nothing_is_left_of_a_plane_that_was_stopped() {
    let before = descriptors();
    for _ in 0..20 {
        let (plane, address) = start();
        assert!(UdpSocket::bind(address).is_err());
        plane.stop();
        plane.stop();
        assert_eq!(plane.apply(Vec::new()), Err(NotTaken::Stopped));
        UdpSocket::bind(address).expect("the port is free");
    }
    // Other tests run beside this one.
    wait_until("descriptors are closed", || descriptors() <= before + 15);
    wait_until("threads have ended", || threads_named("plane") <= 4);
}

#[test]
fn commands_in_masses_are_all_carried_out() {
    let (plane, _) = start();
    for _ in 0..5 * MAX_WAITING_WORK {
        plane.apply(vec![Command::RequestKeyframe { source: 9 }]).unwrap();
    }
    wait_until("all are carried out", || {
        plane.counters().dropped[Drop::UnknownHandle as usize] == 5 * MAX_WAITING_WORK as u64
    });
}

#[test]
fn commands_have_their_turn_while_datagrams_never_stop() {
    let (plane, address) = start();
    thread::scope(|scope| {
        scope.spawn(|| {
            let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
            while plane.counters().dropped[Drop::UnknownHandle as usize] < 50 {
                for _ in 0..200 {
                    // It fails when the receiver's buffer is full, which serves as well.
                    let _ = peer.send_to(&[0x80; 20], address);
                }
            }
        });
        for done in 1..=50 {
            plane.apply(vec![Command::RequestKeyframe { source: 9 }]).unwrap();
            wait_until("it is carried out", || {
                plane.counters().dropped[Drop::UnknownHandle as usize] == done
            });
        }
    });
    assert!(plane.counters().datagrams_in > 0);
}
