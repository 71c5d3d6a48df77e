//! The life of a payout: draft, approved, sent, settled; or failed, and its amount is payable again.
//!
//! Steps are taken in turn and never back, so a repeated command changes nothing. A payout fails at any time, also after
//! it was settled: banks return money days later.

use schemas::name::PublisherId;
use schemas::record::payout::{Payout, PayoutCommand, PayoutState, PayoutStep};
use schemas::record::state::BalanceState;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stepped {
    /// The payout, and the balance in its currency, as they then are.
    Moved {
        payout: Box<Payout>,
        balance: BalanceState,
    },
    /// The step was taken before.
    Unchanged,
    Refused(Refusal),
}

/// Why a command cannot be followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    NoSuchPayout,
    /// The payout is another publisher's (P7).
    OfOther(PublisherId),
    OutOfTurn {
        is: PayoutState,
        asked: PayoutStep,
    },
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refusal::NoSuchPayout => out.write_str("no such payout"),
            Refusal::OfOther(publisher) => write!(out, "the payout is {publisher}'s"),
            Refusal::OutOfTurn { is, asked } => {
                write!(out, "a payout that is {} cannot become {}", is.name(), target(*asked).name())
            }
        }
    }
}

/// Follows a command. `payout` is what is known under its id, `balance` that of the payout's account and currency.
pub fn step(payout: Option<&Payout>, balance: &BalanceState, command: &PayoutCommand) -> Stepped {
    let Some(payout) = payout else { return Stepped::Refused(Refusal::NoSuchPayout) };
    if (&payout.tenant, &payout.publisher) != (&command.tenant, &command.publisher) {
        return Stepped::Refused(Refusal::OfOther(payout.publisher.clone()));
    }
    match turn(payout.state, command.step) {
        Turn::Taken => Stepped::Unchanged,
        Turn::Out => Stepped::Refused(Refusal::OutOfTurn { is: payout.state, asked: command.step }),
        Turn::Next => {
            let state = target(command.step);
            let moved = Payout {
                state,
                revision: payout.revision + 1,
                changed_at: command.at,
                by: command.by.clone(),
                reference: command.reference.clone().or_else(|| payout.reference.clone()),
                reason: command.reason.clone(),
                ..payout.clone()
            };
            Stepped::Moved { payout: Box::new(moved), balance: moved_balance(payout, state, balance) }
        }
    }
}

fn target(step: PayoutStep) -> PayoutState {
    match step {
        PayoutStep::Approve => PayoutState::Approved,
        PayoutStep::Sent => PayoutState::Sent,
        PayoutStep::Settled => PayoutState::Settled,
        PayoutStep::Failed => PayoutState::Failed,
    }
}

enum Turn {
    Next,
    Taken,
    Out,
}

fn turn(is: PayoutState, asked: PayoutStep) -> Turn {
    use PayoutState::{Approved, Draft, Failed, Sent, Settled};
    match (is, asked) {
        (Draft, PayoutStep::Approve) | (Approved, PayoutStep::Sent) | (Sent, PayoutStep::Settled) => Turn::Next,
        (Draft | Approved | Sent | Settled, PayoutStep::Failed) => Turn::Next,
        (Failed, PayoutStep::Failed) => Turn::Taken,
        (Approved | Sent | Settled, PayoutStep::Approve) => Turn::Taken,
        (Sent | Settled, PayoutStep::Sent) => Turn::Taken,
        (Settled, PayoutStep::Settled) => Turn::Taken,
        // What failed was paid out anew, perhaps: a bank that settles it now has to be asked.
        (Failed, PayoutStep::Approve | PayoutStep::Sent | PayoutStep::Settled) => Turn::Out,
        (Draft, PayoutStep::Sent | PayoutStep::Settled) | (Approved, PayoutStep::Settled) => Turn::Out,
    }
}

fn moved_balance(payout: &Payout, to: PayoutState, balance: &BalanceState) -> BalanceState {
    let mut after = balance.clone();
    match to {
        PayoutState::Draft | PayoutState::Approved | PayoutState::Sent => {}
        PayoutState::Settled => {
            after.in_payment = after.in_payment - payout.amount;
            after.paid += payout.amount;
        }
        PayoutState::Failed => {
            let held_by = if payout.state == PayoutState::Settled { &mut after.paid } else { &mut after.in_payment };
            *held_by = *held_by - payout.amount;
            after.payable += payout.amount;
            after.returned += payout.amount;
        }
    }
    after
}
