//! The rules of Tributary: what an arrival concerns (`join`), who earns a conversion and why (`decide`), what a
//! publisher's account holds (`settle`).
//!
//! Owns: every rule that moves money or explains it. Leaves to others: the wire (`schemas`), where state is kept and
//! when things are sent (`processor`).
//!
//! **Architecture invariant:** pure. No I/O, no async, no clock, no random source, no floats, no result that depends
//! on the order of a hash map. What is decided is a function of the *set* of inputs, so any order and any repetition of
//! them ends the same (P3).

pub mod decide;
pub mod explanation;
pub mod join;
pub mod settle;
pub mod whatif;
