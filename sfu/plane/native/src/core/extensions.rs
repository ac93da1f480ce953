//! The header extensions that a slot writes: its own mid, abs-send-time, the level of sound.

use crate::api::ExtensionIds;
use crate::rtp::{abs_send_time, pack_extensions};

/// -127 dBov, and no voice (RFC 6464).
pub const SILENCE: u8 = 127;

/// abs-send-time as it stands in a packet.
pub fn send_time_bytes(now_us: i64) -> [u8; 3] {
    let [_, high, middle, low] = abs_send_time(now_us).to_be_bytes();
    [high, middle, low]
}

/// Builds a slot's extension block; its size is the same in every packet.
///
/// Everything that a publisher sent besides is left out: the receiver has no use for it, and a frame's packets
/// keep one size. The block is made once, with room for what changes.
pub struct ExtensionWriter {
    block: Box<[u8]>,
    send_time_at: Option<u16>,
    level_at: Option<u16>,
}

impl ExtensionWriter {
    /// What `ids` negotiated; a level only of sound.
    pub fn new(ids: &ExtensionIds, mid: &str, sound: bool) -> Self {
        let has_send_time = ids.abs_send_time != 0;
        let has_level = ids.audio_level != 0 && sound;
        let mut elements: Vec<(u8, &[u8])> = Vec::with_capacity(3);
        if has_send_time {
            elements.push((ids.abs_send_time, &[0; 3]));
        }
        if has_level {
            elements.push((ids.audio_level, &[0]));
        }
        if ids.mid != 0 && !mid.is_empty() {
            elements.push((ids.mid, mid.as_bytes()));
        }
        let block = pack_extensions(&elements);
        let one_byte_form = block.starts_with(&[0xBE, 0xDE]);
        let element_head = if one_byte_form { 1 } else { 2 };
        let first = 4 + element_head;
        let second = if has_send_time { first + 3 + element_head } else { first };
        Self {
            block: block.into_boxed_slice(),
            send_time_at: has_send_time.then_some(first),
            level_at: has_level.then_some(second),
        }
    }

    /// Bytes of the block with its head; 0 when there is none.
    pub fn length(&self) -> usize {
        self.block.len()
    }

    /// Append the block; `send_time` is 6.18 s, `level` RFC 6464's byte.
    pub fn write(&self, buffer: &mut Vec<u8>, send_time: [u8; 3], level: Option<u8>) {
        let start = buffer.len();
        buffer.extend_from_slice(&self.block);
        let mut patch = |at: Option<u16>, value: &[u8]| {
            let Some(at) = at.map(|at| start + usize::from(at)) else { return };
            if let Some(place) = buffer.get_mut(at..at + value.len()) {
                place.copy_from_slice(value);
            }
        };
        patch(self.send_time_at, &send_time);
        patch(self.level_at, &[level.unwrap_or(SILENCE)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::extension;

    fn written(ids: ExtensionIds, mid: &str, sound: bool, level: Option<u8>) -> Vec<u8> {
        let writer = ExtensionWriter::new(&ids, mid, sound);
        let mut packet = vec![0x90; 1];
        packet.resize(12, 0);
        writer.write(&mut packet, [1, 2, 3], level);
        assert_eq!(packet.len(), 12 + writer.length());
        packet
    }

    #[test]
    fn each_value_stands_at_its_place_in_both_forms() {
        for (ids, mid) in [
            (ExtensionIds { mid: 4, abs_send_time: 2, audio_level: 1, ..ExtensionIds::default() }, "12"),
            (
                ExtensionIds { mid: 4, abs_send_time: 2, audio_level: 1, ..ExtensionIds::default() },
                "a-mid-of-19-letters",
            ),
            (ExtensionIds { mid: 4, abs_send_time: 20, audio_level: 1, ..ExtensionIds::default() }, "12"),
            (ExtensionIds { mid: 4, audio_level: 1, ..ExtensionIds::default() }, "12"),
        ] {
            let sound = written(ids, mid, true, Some(0x85));
            assert_eq!(extension(&sound, 4).unwrap(), Some(mid.as_bytes()));
            assert_eq!(extension(&sound, 1).unwrap(), Some(&[0x85][..]));
            if ids.abs_send_time != 0 {
                assert_eq!(extension(&sound, ids.abs_send_time).unwrap(), Some(&[1, 2, 3][..]));
            }
            let silent = written(ids, mid, true, None);
            assert_eq!(extension(&silent, 1).unwrap(), Some(&[SILENCE][..]));
            let video = written(ids, mid, false, Some(0x85));
            assert_eq!(extension(&video, 1).unwrap(), None);
        }
    }

    #[test]
    fn nothing_negotiated_writes_nothing() {
        assert_eq!(written(ExtensionIds::default(), "1", true, Some(1)).len(), 12);
    }
}
