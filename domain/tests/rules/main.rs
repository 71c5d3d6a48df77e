//! The rules from outside: rows that a person can read, and properties that hold for anything. The promises stand by
//! their names in `promises`, `order_free` (P3) and `refunds`.

mod amendments;
mod bounds;
mod budget;
mod explained;
mod models;
mod money;
mod order_free;
mod pipeline;
mod promises;
mod reasons;
mod refunds;
mod settled;
mod shop;
mod sources;
mod summary;
mod table;
mod windows;
