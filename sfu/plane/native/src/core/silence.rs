//! Leaves silence out of what is forwarded, as a sender's own DTX would (RFC 7587 section 3.1.3).

/// Levels (-dBov, RFC 6464) above this are silence, far below a quiet room: nothing that is heard is cut.
const AUDIBLE_DBOV: u8 = 80;
/// How long silence is forwarded after the last audible packet: the end of a word, a breath.
const HANG_US: i64 = 400_000;
/// One packet of this time goes on: receivers keep their clock and their comfort noise.
const EVERY_US: i64 = 400_000;
/// The bits of an Opus packet's first byte that keep its kind and make it hold one frame (RFC 6716 section 3.1).
const ONE_FRAME: u8 = 0xFC;

/// How much of a packet of sound goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// All of it.
    Whole,
    /// An empty frame stands for it: the receiver makes the noise, and waits for what comes next at its own time.
    /// Without it the sound after a pause would come late.
    Comfort,
    /// It is left out.
    Nothing,
}

/// One layer's. Opens with the very packet that is audible: no first syllable is lost.
#[derive(Debug, Default)]
pub struct SilenceGate {
    audible_us: Option<i64>,
    passed_us: Option<i64>,
}

impl SilenceGate {
    /// What goes on of a packet with this level byte (None: it carries none).
    pub fn passes(&mut self, level: Option<u8>, now_us: i64) -> Passage {
        let silent = level.is_some_and(|level| level & 0x7F > AUDIBLE_DBOV);
        let Some(audible_us) = self.audible_us.filter(|_| silent) else {
            self.audible_us = Some(now_us);
            self.passed_us = None;
            return Passage::Whole;
        };
        if now_us - audible_us < HANG_US {
            return Passage::Whole;
        }
        if self.passed_us.is_some_and(|passed_us| now_us - passed_us < EVERY_US) {
            return Passage::Nothing;
        }
        self.passed_us = Some(now_us);
        Passage::Comfort
    }
}

/// The payload that stands for a silent one: its first byte, an Opus frame of no length (RFC 6716 section 3.1).
pub fn comfort(payload: &[u8]) -> [u8; 1] {
    [payload.first().copied().unwrap_or_default() & ONE_FRAME]
}
