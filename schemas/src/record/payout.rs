//! Payouts: in `payouts` each step of their life, in `journal` the commands that ask for one.

use crate::decimal::{Amount, Currency};
use crate::id::{PayoutId, RunId, StatementId};
use crate::name::{PublisherId, TenantId};
use crate::time::Micros;
use serde::{Deserialize, Serialize};

/// A payout after a step of its life; also settle's state of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payout {
    pub payout_id: PayoutId,
    pub statement_id: StatementId,
    pub run_id: RunId,
    pub tenant: TenantId,
    pub publisher: PublisherId,
    pub currency: Currency,
    /// More than zero.
    pub amount: Amount,
    /// Of the run.
    pub as_of: Micros,
    pub state: PayoutState,
    /// From 1, one for each step.
    pub revision: i32,
    /// As the command says; the run's as-of date for a draft.
    pub changed_at: Micros,
    /// Who asked for the step; the run's label for a draft.
    pub by: String,
    /// The bank's.
    pub reference: Option<String>,
    /// Why it failed.
    pub reason: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PayoutState {
    Draft,
    Approved,
    Sent,
    Settled,
    /// Its amount went back to payable, for the next run.
    Failed,
}

impl PayoutState {
    pub fn name(self) -> &'static str {
        match self {
            PayoutState::Draft => "draft",
            PayoutState::Approved => "approved",
            PayoutState::Sent => "sent",
            PayoutState::Settled => "settled",
            PayoutState::Failed => "failed",
        }
    }
}

/// Asks for a payout's next step; keyed by the publisher's account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayoutCommand {
    pub payout_id: PayoutId,
    pub tenant: TenantId,
    pub publisher: PublisherId,
    pub step: PayoutStep,
    /// When it happened; of `settled`, the bank's value date.
    pub at: Micros,
    pub by: String,
    pub reference: Option<String>,
    pub reason: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PayoutStep {
    Approve,
    Sent,
    Settled,
    Failed,
}
