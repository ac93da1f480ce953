//! Which layer of a source a slot shall get, from what it wants and what is being sent.

use crate::core::source::Source;

/// The wanted layer, else the nearest lower one that is alive, else the nearest higher one; by index.
///
/// None when nothing of the source is being sent.
pub fn choose_layer(source: &Source, wanted: i64) -> Option<usize> {
    let last = source.layers.len().checked_sub(1)?;
    let wanted = usize::try_from(wanted.max(0)).map_or(last, |wanted| wanted.min(last));
    (0..=wanted).rev().chain(wanted + 1..=last).find(|&index| source.alive(index))
}
