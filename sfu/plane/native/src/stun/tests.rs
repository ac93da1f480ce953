//! The short-term vectors of RFC 5769, ICE attributes, refusals.

use super::*;

const PASSWORD: &str = "VOkJxbRl1RmTxUk/WvJxBt";
const TRANSACTION: TransactionId = [0xB7, 0xE7, 0xA7, 0x01, 0xBC, 0x34, 0xD6, 0x86, 0xFA, 0x87, 0xDF, 0xAE];

/// RFC 5769 section 2.1.
const SAMPLE_REQUEST: &str = "00010058 2112a442 b7e7a701 bc34d686 fa87dfae \
    80220010 5354554e 20746573 7420636c 69656e74 00240004 6e0001ff 80290008 932ff9b1 51263b36 \
    00060009 6576746a 3a683676 59202020 00080014 9aeaa70c bfd8cb56 781ef2b5 b2d3f249 c1b571a2 \
    80280004 e57a3bcf";
/// RFC 5769 section 2.2.
const SAMPLE_IPV4_RESPONSE: &str = "0101003c 2112a442 b7e7a701 bc34d686 fa87dfae \
    8022000b 74657374 20766563 746f7220 00200008 0001a147 e112a643 \
    00080014 2b91f599 fd9e90c3 8c7489f9 2af9ba53 f06be7d7 80280004 c07d4c96";
/// RFC 5769 section 2.3.
const SAMPLE_IPV6_RESPONSE: &str = "01010048 2112a442 b7e7a701 bc34d686 fa87dfae \
    8022000b 74657374 20766563 746f7220 00200014 0002a147 0113a9fa a5d3f179 bc25f4b5 bed2b9d9 \
    00080014 a382954e 4be67bf1 1784c97c 8292c275 bfe3ed41 80280004 c8fb0b4c";

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.chars().filter_map(|digit| digit.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// A message of any type and these attributes, with padding, as it is on the wire.
fn raw(kind: u16, attributes: &[(u16, &[u8])]) -> Vec<u8> {
    let mut builder = Builder::new(0, &TRANSACTION, 0);
    for (attribute, value) in attributes {
        builder.attribute(*attribute, value);
    }
    sealed(builder.0, kind)
}

/// The same with its type and length written.
fn sealed(mut data: Vec<u8>, kind: u16) -> Vec<u8> {
    let length = (data.len() - HEADER_LENGTH) as u16;
    data[..2].copy_from_slice(&kind.to_be_bytes());
    data[2..4].copy_from_slice(&length.to_be_bytes());
    data
}

/// A request with these attributes besides USERNAME.
fn request(attributes: &[(u16, &[u8])]) -> Vec<u8> {
    let mut all: Vec<(u16, &[u8])> = vec![(USERNAME, b"evtj:h6vY")];
    all.extend_from_slice(attributes);
    raw(BINDING, &all)
}

fn parsed(data: &[u8]) -> BindingRequest<'_> {
    match parse(data) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

#[test]
fn rfc_5769_sample_request() {
    let data = hex(SAMPLE_REQUEST);
    let found = parsed(&data);
    assert_eq!(found.transaction_id, TRANSACTION);
    assert_eq!((found.local_ufrag, found.remote_ufrag), ("evtj", "h6vY"));
    assert_eq!(found.priority, Some(0x6E00_01FF));
    assert_eq!((found.controlled, found.controlling), (Some(0x932F_F9B1_5126_3B36), None));
    assert!(!found.use_candidate && found.unknown_attributes.is_empty());
    assert!(check_integrity(&found, PASSWORD));
    assert!(!check_integrity(&found, "VOkJxbRl1RmTxUk/WvJxBu"));
    assert!(!check_integrity(&found, ""));
}

#[test]
fn rfc_5769_sample_responses() {
    let samples = [
        (SAMPLE_IPV4_RESPONSE, "192.0.2.1:32853"),
        (SAMPLE_IPV6_RESPONSE, "[2001:db8:1234:5678:11:2233:4455:6677]:32853"),
    ];
    for (sample, address) in samples {
        let data = hex(sample);
        let Ok(Message::Success(found)) = parse(&data) else { panic!("{:?}", parse(&data)) };
        assert_eq!(found.mapped_address, address.parse().ok());
        let expected = message_integrity(found.covered, PASSWORD);
        assert_eq!(found.integrity.map(<[u8; 20]>::as_slice), Some(expected.as_ref()));
    }
}

#[test]
fn a_flipped_bit_is_seen() {
    let intact = hex(SAMPLE_REQUEST);
    for position in 0..intact.len() * 8 {
        let mut data = intact.clone();
        data[position / 8] ^= 1 << (position % 8);
        if let Ok(message) = parse(&data) {
            // The bit hides FINGERPRINT itself: nothing signed has changed.
            assert!((intact.len() - 8..intact.len() - 6).contains(&(position / 8)), "{position}");
            assert_eq!(message, parse(&intact).unwrap());
        }
    }
}

#[test]
fn every_cut_is_refused() {
    let data = hex(SAMPLE_REQUEST);
    for length in 0..data.len() {
        assert!(parse(&data[..length]).is_err(), "{length}");
    }
}

#[test]
fn answers_are_what_the_parser_accepts() {
    for text in ["192.0.2.7:1", "[2001:db8::7]:65535", "[::ffff:192.0.2.7]:9"] {
        let address = text.parse().unwrap();
        let data = build_binding_success(&TRANSACTION, address, PASSWORD);
        let Ok(Message::Success(found)) = parse(&data) else { panic!("{:?}", parse(&data)) };
        assert_eq!(found.mapped_address, Some(address));
        assert_eq!(found.transaction_id, TRANSACTION);
        assert_eq!(found.integrity.unwrap(), message_integrity(found.covered, PASSWORD).as_ref());
        assert_eq!(data[data.len() - 8..data.len() - 4], [0x80, 0x28, 0, 4]);
    }
}

#[test]
fn refusals_are_signed_when_there_is_a_password() {
    for password in [None, Some(PASSWORD)] {
        let data = build_error(&TRANSACTION, ERROR_ROLE_CONFLICT, "Role Conflict", password);
        let Ok(Message::Error(found)) = parse(&data) else { panic!("{:?}", parse(&data)) };
        assert_eq!((found.code, found.reason), (487, "Role Conflict"));
        assert_eq!(found.integrity.is_some(), password.is_some());
    }
}

#[test]
fn what_is_not_stun() {
    let data = hex(SAMPLE_REQUEST);
    assert!(is_stun(&data) && !is_stun(&data[..19]));
    let mut other = data.clone();
    other[0] = 4;
    assert!(!is_stun(&other));
    other = data;
    other[5] ^= 1;
    assert!(!is_stun(&other));
}

#[test]
fn classes_and_methods() {
    assert_eq!(parse(&raw(BINDING | INDICATION, &[])), Ok(Message::Indication(TRANSACTION)));
    assert!(matches!(
        parse(&raw(BINDING | ERROR, &[])),
        Ok(Message::Error(BindingError { code: 0, reason: "", integrity: None, .. }))
    ));
    assert!(matches!(parse(&raw(BINDING | SUCCESS, &[])), Ok(Message::Success(_))));
    for kind in [0x0000, 0x0002, 0x0003, 0x0101 | 0x0200, 0x0011 | 0x0020] {
        assert!(parse(&raw(kind, &[])).is_err(), "{kind:#06x}");
    }
}

#[test]
fn username_is_two_fragments_of_256_characters_at_most() {
    let of = |username: &str| parse(&raw(BINDING, &[(USERNAME, username.as_bytes())])).is_ok();
    assert!(of("a:b") && of("a:b:c") && of(&format!("{}:{}", "ö".repeat(256), "ö".repeat(256))));
    assert!(!of(&format!("{}:{}", "a".repeat(256), "b".repeat(257))));
    for broken in ["", "a", ":", "a:", ":b"] {
        assert!(!of(broken), "{broken}");
    }
    assert!(parse(&raw(BINDING, &[])).is_err());
    assert!(parse(&raw(BINDING, &[(USERNAME, b"a:\xFF")])).is_err());
    assert_eq!(parsed(&raw(BINDING, &[(USERNAME, b"a:b:c")])).remote_ufrag, "b:c");
}

#[test]
fn of_several_of_one_kind_the_last_counts() {
    let data = request(&[(PRIORITY, &[0, 0, 0, 1]), (PRIORITY, &[0, 0, 0, 2]), (USERNAME, b"x:y")]);
    let found = parsed(&data);
    assert_eq!((found.priority, found.local_ufrag), (Some(2), "x"));
}

#[test]
fn what_follows_integrity_is_neither_read_nor_checked_but_fingerprint() {
    let after: [(u16, &[u8]); 4] =
        [(MESSAGE_INTEGRITY, &[1; 20]), (PRIORITY, &[9]), (0x7FFF, &[]), (MESSAGE_INTEGRITY, &[2; 20])];
    let data = request(&after);
    let found = parsed(&data);
    assert_eq!((found.integrity, found.priority), (Some(&[1; 20]), None));
    assert_eq!(found.covered, &data[..HEADER_LENGTH + 16]);
    assert!(found.unknown_attributes.is_empty());
    assert!(!check_integrity(&found, PASSWORD));
    let wrong: [(u16, &[u8]); 2] = [(MESSAGE_INTEGRITY, &[1; 20]), (FINGERPRINT, &[0; 4])];
    assert!(parse(&request(&wrong)).is_err());
}

#[test]
fn without_integrity_nothing_is_authenticated() {
    let data = request(&[]);
    let found = parsed(&data);
    assert_eq!(found.covered, &data[..]);
    assert!(!check_integrity(&found, PASSWORD));
}

#[test]
fn integrity_of_another_length_is_refused_wherever_it_stands() {
    assert!(parse(&request(&[(MESSAGE_INTEGRITY, &[1; 19])])).is_err());
    assert!(parse(&request(&[(MESSAGE_INTEGRITY, &[1; 20]), (MESSAGE_INTEGRITY, &[1; 32])])).is_err());
}

#[test]
fn unknown_attributes_count_when_they_must_be_understood() {
    let data = request(&[(0x7FFF, b"abc"), (0xFFFF, b""), (0x0002, b"")]);
    assert_eq!(parsed(&data).unknown_attributes, [0x7FFF, 0x0002]);
}

#[test]
fn known_attributes_have_their_shape() {
    let takes = |kind: u16, value: &[u8]| parse(&request(&[(kind, value)])).is_ok();
    for kind in [0x0003, 0x000D, 0x0019, PRIORITY] {
        assert!(takes(kind, &[0; 4]) && !takes(kind, &[0; 3]) && !takes(kind, &[0; 5]), "{kind:#06x}");
    }
    for kind in [ICE_CONTROLLED, ICE_CONTROLLING] {
        assert!(takes(kind, &[0; 8]) && !takes(kind, &[0; 7]) && !takes(kind, &[0; 9]), "{kind:#06x}");
    }
    for kind in [0x0001, 0x0004, 0x0005, 0x0012, 0x0016, XOR_MAPPED_ADDRESS, 0x802B, 0x802C] {
        let mut value = [0; 20];
        value[1] = 2;
        assert!(takes(kind, &value) && !takes(kind, &value[..8]) && !takes(kind, &value[..2]), "{kind:#06x}");
        value[1] = 1;
        assert!(takes(kind, &value[..8]) && !takes(kind, &value) && !takes(kind, &[]), "{kind:#06x}");
        value[1] = 3;
        assert!(!takes(kind, &value), "{kind:#06x}");
    }
    for kind in [0x0014, 0x8022] {
        assert!(takes(kind, b"") && takes(kind, "ö".as_bytes()) && !takes(kind, b"\xC3"), "{kind:#06x}");
    }
    assert!(takes(0x000C, &[0; 2]) && takes(0x000C, &[0; 9]) && !takes(0x000C, &[0]));
    assert!(takes(ERROR_CODE, &[0; 4]) && !takes(ERROR_CODE, &[0; 3]) && !takes(ERROR_CODE, b"\0\0\0\0\xFF"));
    assert!(takes(0x0013, b"") && takes(0x0015, b"x") && takes(USE_CANDIDATE, b"x"));
}

#[test]
fn the_last_attribute_may_lack_its_padding() {
    let mut data = request(&[(0x8022, b"a")]);
    data.truncate(data.len() - 3);
    let data = sealed(data, BINDING);
    assert!(parse(&data).is_ok());
    assert!(parse(&sealed([data.as_slice(), &[0, 1]].concat(), BINDING)).is_ok());
    assert!(parse(&sealed([data.as_slice(), &[0, 1, 0, 0, 0]].concat(), BINDING)).is_err());
}
