//! Settlement from outside: cases that a person can read, and properties that hold for anything (P2, P3, P5).

mod books;
mod budgets;
mod cases;
mod months;
mod papers;
mod properties;
