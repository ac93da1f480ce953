//! Leaves silence out of what is forwarded, as a sender's own DTX would (RFC 7587 section 3.1.3).

/// Levels (-dBov, RFC 6464) above this are silence.
const AUDIBLE_DBOV: u8 = 80;
/// How long silence is forwarded after the last audible packet: the end of a word, a breath.
const HANG_US: i64 = 400_000;
/// One packet of this time goes on: receivers keep their clock and their comfort noise.
const EVERY_US: i64 = 400_000;

/// One layer's. Opens with the very packet that is audible: no first syllable is lost.
#[derive(Debug, Default)]
pub struct SilenceGate {
    audible_us: Option<i64>,
    passed_us: i64,
}

impl SilenceGate {
    /// Whether a packet with this level byte (None: it carries none) is forwarded.
    pub fn passes(&mut self, level: Option<u8>, now_us: i64) -> bool {
        let silent = level.is_some_and(|level| level & 0x7F > AUDIBLE_DBOV);
        let Some(audible_us) = self.audible_us.filter(|_| silent) else {
            self.audible_us = Some(now_us);
            self.passed_us = now_us;
            return true;
        };
        let passes = now_us - audible_us < HANG_US || now_us - self.passed_us >= EVERY_US;
        if passes {
            self.passed_us = now_us;
        }
        passes
    }
}
