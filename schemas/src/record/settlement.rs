//! Runs of settlement: the command, in every partition of `journal`, and in `payouts` that a partition is done with it.

use crate::decimal::{Amount, Currency};
use crate::id::RunId;
use crate::name::TenantId;
use crate::offset::Offset;
use crate::time::Micros;
use serde::{Deserialize, Serialize};

/// Pays what is due. Its place in each partition of `journal` is the cut: what stands before it counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettlementRun {
    pub run_id: RunId,
    pub tenant: TenantId,
    /// What people call it: `2026-W47`.
    pub label: String,
    /// Holds that ended by then, inclusive, have passed.
    pub as_of: Micros,
    /// A currency without one has the default.
    pub minimums: Vec<Minimum>,
    /// The catalog as the run's owner had read it: the terms of closed months.
    pub catalog_offset: Offset,
}

/// From how much on a balance is paid out; what is less is carried on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Minimum {
    pub currency: Currency,
    pub amount: Amount,
}

/// A run is complete when all partitions have said so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunDone {
    pub run_id: RunId,
    pub tenant: TenantId,
    pub partition: i32,
    pub as_of: Micros,
    /// By currency.
    pub totals: Vec<RunTotal>,
}

/// Of the tenant's accounts in one partition and currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunTotal {
    pub currency: Currency,
    pub accounts: i64,
    pub statements: i64,
    pub payouts: i64,
    pub paid_out: Amount,
    /// Of accounts below the minimum.
    pub carried: Amount,
    /// By publishers; zero or negative.
    pub owed: Amount,
}
