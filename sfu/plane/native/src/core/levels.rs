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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loudest_level_of_each_source_is_told_in_order_of_the_sources() {
        let mut levels = LoudestLevels::default();
        for (source, level) in [(9, 30), (2, 127), (9, 20), (9, 40), (5, 1)] {
            levels.add(source, level);
        }
        levels.forget(5);
        assert_eq!(levels.drain(), [(2, 127), (9, 20)]);
        assert!(levels.drain().is_empty());
    }
}
