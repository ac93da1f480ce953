//! The loudest audio level of each source between two batches (RFC 6464).

use std::collections::BTreeMap;

use crate::api::SourceHandle;

/// The quietest level.
pub const SILENT: u8 = 127;

/// Collects -dBov values, 0 loudest; drained each batch.
#[derive(Default)]
pub struct LoudestLevels {
    levels: BTreeMap<SourceHandle, u8>,
}

impl LoudestLevels {
    /// One packet's level, 0 to 127.
    pub fn add(&mut self, source: SourceHandle, level: u8) {
        if level <= SILENT {
            let loudest = self.levels.entry(source).or_insert(level);
            *loudest = level.min(*loudest);
        }
    }

    /// The source is gone or shut.
    pub fn forget(&mut self, source: SourceHandle) {
        self.levels.remove(&source);
    }

    /// What was collected, in order of the sources' handles.
    pub fn drain(&mut self) -> Vec<(SourceHandle, u8)> {
        std::mem::take(&mut self.levels).into_iter().collect()
    }
}
