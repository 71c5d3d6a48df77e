//! The rules from outside: rows that a person can read, and properties that hold for anything (P3, P4, P5).

mod amendments;
mod bounds;
mod explained;
mod models;
mod money;
mod order_free;
mod pipeline;
mod reasons;
mod refunds;
mod settled;
mod shop;
mod sources;
mod summary;
mod table;
mod windows;
