//! Over loopback.

use std::net::UdpSocket;
use std::time::Duration;

use super::*;

fn open(host: &str, limits: Limits) -> Port {
    Port::new(Socket::bind(host, 0).unwrap(), limits)
}

fn peer(address: &str) -> UdpSocket {
    let peer = UdpSocket::bind((address, 0)).unwrap();
    peer.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    peer
}

/// A message of these segments, each filled with its number.
fn push(batch: &mut Batch, address: SocketAddr, segment: usize, sizes: &[usize]) {
    let start = batch.buffer.len();
    for (index, size) in sizes.iter().enumerate() {
        batch.buffer.extend(vec![index as u8; *size]);
    }
    let length = batch.buffer.len() - start;
    batch.messages.push(Message { address, transport: None, start, length, segment });
}

fn read(peer: &UdpSocket, count: usize) -> Vec<Vec<u8>> {
    let mut buffer = [0; 4096];
    (0..count).map(|_| peer.recv(&mut buffer).map(|length| buffer[..length].to_vec()).unwrap()).collect()
}

fn assert_unspoilt(batch: &Batch) {
    assert_eq!((batch.without_room, batch.unreachable), (0, 0));
}

const WAYS: [Limits; 3] = [
    Limits { many_messages: true, segmentation: true, precise_wait: true },
    Limits { many_messages: true, segmentation: false, precise_wait: true },
    Limits { many_messages: false, segmentation: true, precise_wait: true },
];

#[test]
fn segments_arrive_as_datagrams_of_their_own_by_every_way() {
    for limits in WAYS {
        for host in ["::", "127.0.0.1"] {
            let mut port = open(host, limits);
            assert_eq!(port.is_segmented(), limits.many_messages && limits.segmentation);
            let (first, second) = (peer("127.0.0.1"), peer("127.0.0.1"));
            let mut batch = Batch::default();
            push(&mut batch, first.local_addr().unwrap(), 1000, &[1000, 1000, 1000, 400]);
            push(&mut batch, second.local_addr().unwrap(), 700, &[700]);
            push(&mut batch, first.local_addr().unwrap(), 5, &[5]);
            port.send(&mut batch);
            let expected = [vec![0; 1000], vec![1; 1000], vec![2; 1000], vec![3; 400], vec![0; 5]];
            assert_eq!(read(&first, 5), expected);
            assert_eq!(read(&second, 1), [vec![0; 700]]);
            assert_unspoilt(&batch);
        }
    }
}

#[test]
fn ipv6_is_served_by_every_way() {
    let Ok(there) = UdpSocket::bind("[::1]:0") else { return };
    there.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    for limits in WAYS {
        let mut port = open("::", limits);
        let mut batch = Batch::default();
        push(&mut batch, there.local_addr().unwrap(), 100, &[100, 60]);
        port.send(&mut batch);
        assert_eq!(read(&there, 2), [vec![0; 100], vec![1; 60]]);
        assert_unspoilt(&batch);
        let address =
            SocketAddr::new(there.local_addr().unwrap().ip(), port.socket().address().unwrap().port());
        there.send_to(b"back", address).unwrap();
        assert_eq!(port.receive(), 1);
        let (data, from) = port.datagram(0).unwrap();
        assert_eq!((&*data, from), (&b"back"[..], there.local_addr().unwrap()));
    }
}

#[test]
fn datagrams_are_read_by_every_way() {
    for limits in WAYS {
        let mut port = open("127.0.0.1", limits);
        let there = peer("127.0.0.1");
        assert_eq!(port.receive(), 0);
        for number in 0..MAX_DATAGRAMS + 3 {
            there.send_to(&[number as u8], port.socket().address().unwrap()).unwrap();
        }
        let mut numbers = Vec::new();
        loop {
            for index in 0..port.receive() {
                numbers.push(port.datagram(index).unwrap().0[0]);
            }
            if !port.may_have_more() {
                break;
            }
        }
        assert_eq!(numbers, (0..MAX_DATAGRAMS as u8 + 3).collect::<Vec<_>>());
        assert_eq!(port.receive(), 0);
        assert!(!port.may_have_more());
    }
}

#[test]
fn a_message_that_the_route_refuses_is_split_and_its_destination_remembered() {
    let mut port = open("127.0.0.1", Limits::default());
    if !port.is_segmented() {
        return;
    }
    let (first, second) = (peer("127.0.0.1"), peer("127.0.0.1"));
    let mut batch = Batch::default();
    push(&mut batch, second.local_addr().unwrap(), 10, &[10; 2]);
    // More segments than any kernel takes: EINVAL, as where a segment is larger than the route's packets.
    push(&mut batch, first.local_addr().unwrap(), 10, &[10; 200]);
    push(&mut batch, second.local_addr().unwrap(), 10, &[10; 3]);
    port.send(&mut batch);
    assert_eq!(read(&first, 200), (0..200).map(|number| vec![number as u8; 10]).collect::<Vec<_>>());
    assert_eq!(read(&second, 5).len(), 5);
    assert_unspoilt(&batch);
    assert!(port.singly.contains(&first.local_addr().unwrap()));
    assert_eq!(port.singly.len(), 1, "others are still sent several segments at once");

    batch.clear();
    push(&mut batch, first.local_addr().unwrap(), 10, &[10; 3]);
    port.send(&mut batch);
    assert_eq!(port.plan.len(), 3);
    assert_eq!(read(&first, 3).len(), 3);
    assert!(port.is_segmented());
}

#[test]
fn what_is_remembered_is_bounded() {
    let mut port = open("127.0.0.1", Limits::default());
    for number in 0..MAX_REMEMBERED + 10 {
        port.remember(SocketAddr::from(([127, 0, 0, 1], number as u16)));
    }
    assert_eq!(port.singly.len(), 10);
}

#[test]
fn more_messages_than_one_call_takes_all_arrive_in_order() {
    let mut port = open("127.0.0.1", Limits::default());
    let there = peer("127.0.0.1");
    let mut batch = Batch::default();
    for number in 0..=3 * MAX_MESSAGES {
        batch.push(&[number as u8], there.local_addr().unwrap(), None);
    }
    port.send(&mut batch);
    let numbers: Vec<u8> = read(&there, 3 * MAX_MESSAGES + 1).into_iter().map(|bytes| bytes[0]).collect();
    assert_eq!(numbers, (0..=3 * MAX_MESSAGES).map(|number| number as u8).collect::<Vec<_>>());
}

#[test]
fn what_can_not_be_sent_is_counted_and_the_rest_goes_on() {
    for limits in WAYS {
        let mut port = open("127.0.0.1", limits);
        let there = peer("127.0.0.1");
        let mut batch = Batch::default();
        push(&mut batch, "[::1]:9".parse().unwrap(), 10, &[10; 4]);
        push(&mut batch, "255.255.255.255:9".parse().unwrap(), 10, &[10]);
        push(&mut batch, there.local_addr().unwrap(), 10, &[10; 2]);
        push(&mut batch, "127.0.0.1:0".parse().unwrap(), 10, &[10; 2]);
        push(&mut batch, there.local_addr().unwrap(), 10, &[10]);
        port.send(&mut batch);
        assert_eq!(read(&there, 3).len(), 3);
        assert_eq!((batch.without_room, batch.unreachable), (0, 7));
    }
}
