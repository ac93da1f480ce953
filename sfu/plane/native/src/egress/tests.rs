//! Grouping, holding, pacing over made-up tables.
