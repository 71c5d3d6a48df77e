//! The records that travel, one module a topic. Field order and names are those of `avsc/*/`; the codec's tests hold
//! the two together.

pub mod amendment;
pub mod attribution;
pub mod budget;
pub mod candidates;
pub mod catalog;
pub mod click;
pub mod command;
pub mod dead_letter;
pub mod decision;
pub mod event;
pub mod journal;
pub mod payout;
pub mod rejected;
pub mod settlement;
pub mod state;
pub mod statement;
