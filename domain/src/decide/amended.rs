//! Contracts as amendments have them, instead of as the catalog has: for this conversion only.
//!
//! Where a contract comes from is looked up here and nowhere else, so that no rule pays by the catalog what was amended.

use schemas::catalog::{AsOf, Catalog, Version};
use schemas::codec::DecodeError;
use schemas::name::{ContractId, TenantId};
use schemas::record::amendment::Amendment;
use schemas::record::catalog::Contract;
use schemas::record::decision::DeliveryNote;
use schemas::record::event::Event;
use schemas::record::state::ConversionState;

/// A note's reason.
pub(super) const REASON: &str = "amended";

pub(super) struct Amended {
    amendment: Amendment,
    contract: ContractId,
    terms: Contract,
}

/// The latest amendment of each contract.
pub(super) fn read(state: &ConversionState) -> Result<Vec<Amended>, DecodeError> {
    let mut amended: Vec<Amended> = Vec::new();
    for amendment in state.amendments.iter().rev() {
        for contract in &amendment.contracts {
            let (contract, terms) = contract.read()?;
            if amended.iter().all(|later| later.contract != contract) {
                amended.push(Amended { amendment: amendment.clone(), contract, terms });
            }
        }
    }
    Ok(amended)
}

/// Whoever may amend one account's conversions has no say in another's (P7).
pub(super) fn of_account(mut amended: Vec<Amended>, event: &Event) -> Vec<Amended> {
    amended.retain(|of| of.amendment.tenant == event.tenant && of.amendment.advertiser == event.advertiser);
    amended
}

/// The contract in force, in the words of its amendment where it has one.
pub(super) fn contract<'c>(
    amended: &'c [Amended],
    catalog: &'c Catalog,
    tenant: &TenantId,
    id: &ContractId,
    as_of: AsOf,
) -> Option<Version<'c, Contract>> {
    let found = catalog.contract(tenant, id, as_of)?;
    let instead = amended.iter().find(|amended| amended.contract == *id);
    Some(Version { number: found.number, body: instead.map_or(found.body, |amended| &amended.terms) })
}

/// Notes of the amendments that these contracts are from.
pub(super) fn notes<'n>(
    amended: &'n [Amended],
    used: impl Fn(&Contract) -> bool + 'n,
) -> impl Iterator<Item = DeliveryNote> + 'n {
    amended.iter().filter(move |amended| used(&amended.terms)).map(|amended| DeliveryNote {
        event_id: amended.amendment.amendment_id.clone(),
        reason: REASON.into(),
        value: format!("contract {} by {}: {}", amended.contract, amended.amendment.by, amended.amendment.why),
    })
}

/// When the amendment that a note names was issued.
pub(super) fn issued(amended: &[Amended], note: &DeliveryNote) -> Option<schemas::time::Micros> {
    let named = |amended: &&Amended| amended.amendment.amendment_id == note.event_id && note.reason == REASON;
    amended.iter().find(named).map(|amended| amended.amendment.issued_at)
}
